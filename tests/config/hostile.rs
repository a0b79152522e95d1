//! Documents that were damaged at random: an error or a snapshot, never a panic, and never a word of a secret.

use super::*;
use proptest::prelude::*;

/// The secrets of the whole document, as they would show in a message.
const SECRETS: [&str; 4] = ["k3y", "AAEC", "from the environment", "voided, and kept"];

fn told(text: &[u8]) {
    if let Err(e) = Config::from_json_with(text, &environment) {
        let message = e.to_string();
        assert!(message.starts_with('/'), "{message}");
        for secret in SECRETS {
            assert!(!message.contains(secret), "{message}");
        }
    }
}

/// Every place in a document, by pointer.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                places(inner, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                places(inner, &format!("{at}/{index}"), out);
            }
        }
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[/*a%2.;]{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[[{}]]])),
    ]
}

#[test]
fn every_value_of_every_wrong_type_is_survived() {
    let document = whole();
    let mut all = Vec::new();
    places(&document, "", &mut all);
    assert!(all.len() > 200);
    let wrong =
        [json!(null), json!(true), json!(0), json!(-1), json!(1e300), json!(""), json!("x"), json!([]), json!({})];
    for place in &all {
        for value in &wrong {
            let mut damaged = document.clone();
            *damaged.pointer_mut(place).unwrap() = value.clone();
            told(damaged.to_string().as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("PORTCULLIS_SLOW").is_some() { 50_000 } else { 300 }))]

    #[test]
    fn values_put_anywhere_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4)) {
        let mut document = whole();
        for (index, value) in changes {
            let mut all = Vec::new();
            places(&document, "", &mut all);
            *document.pointer_mut(&all[index.index(all.len())]).unwrap() = value;
        }
        told(document.to_string().as_bytes());
    }

    #[test]
    fn bytes_put_anywhere_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
                                       cut in prop::option::of(any::<prop::sample::Index>())) {
        let mut text = whole().to_string().into_bytes();
        for (index, byte) in changes {
            let at = index.index(text.len());
            text[at] = byte;
        }
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()));
        }
        told(&text);
    }
}
