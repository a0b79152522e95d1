//! `docs/configuration.md` names every member that the reader knows.

use super::*;

#[test]
fn every_member_is_in_the_documentation() {
    let text = include_str!("../../docs/configuration.md");
    let mut members = 0;
    for object in [
        "",
        "/state",
        "/clock",
        "/sizes",
        "/tokens",
        "/tokens/keys/0",
        "/tokens/one_time",
        "/limits/5",
        "/apis/0",
        "/apis/0/params",
        "/apis/0/params/rules/0",
        "/apis/0/consent",
        "/key_max_age_days",
        "/roles/0",
        "/parties/0",
        "/apps/0",
        "/apps/0/credentials/0",
    ] {
        let mut document = whole();
        document.pointer_mut(object).unwrap()["no such member"] = json!(1);
        let e = refused(&document);
        assert_eq!(e.pointer, format!("{object}/no such member"));
        for member in e.message.split_once("known here: ").unwrap().1.split(", ") {
            assert!(text.contains(&format!("`{member}`")), "{object}/{member}");
            members += 1;
        }
    }
    assert!(members > 60, "{members}");
    for algorithm in portcullis::alg::Algorithm::ALL {
        assert!(text.contains(&format!("`{}`", algorithm.name())));
    }
}
