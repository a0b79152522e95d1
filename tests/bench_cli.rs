//! `portcullis bench`: its lines and its page are whole; what they say of speed is not looked at.

use std::process::Command;

fn bench(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("bench").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_line_of_json_has_ours_and_the_library_and_their_ratio() {
    let text = bench(&["--json", "--batch", "16", "hmac-s"]);
    let mut names = Vec::new();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| row[name].as_f64().unwrap();
        assert!(number("one_ns") > 0.0 && number("batch_ns") > 0.0, "{line}");
        assert!(
            (number("ratio") - number("peer_ns") / number("batch_ns")).abs() < 0.02 * number("ratio") + 0.01,
            "{line}"
        );
        assert_eq!(number("batch"), 16.0);
        names.push(row["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sm3"]);
}

#[test]
fn the_page_has_a_bar_for_every_figure_and_needs_nothing_from_elsewhere() {
    let path = std::env::temp_dir().join(format!("portcullis-bench-{}.html", std::process::id()));
    bench(&["--html", path.to_str().unwrap(), "--batch", "16", "ed25519"]);
    let page = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    // Three bars of time, one of the ratio; the algorithm's name beside each chart and in the table.
    assert_eq!(page.matches("<rect").count(), 4, "{page}");
    assert_eq!(page.matches("ed25519").count(), 3);
    assert!(
        !page.contains("http://")
            || page.matches("http://").count() == page.matches("http://www.w3.org/2000/svg").count()
    );
    assert!(!page.contains("https://") && !page.contains("<script"));
    // Nothing measured: a page all the same.
    let empty = bench(&["--html", path.to_str().unwrap(), "no such algorithm"]);
    assert_eq!(empty.lines().count(), 2);
    assert!(std::fs::read_to_string(&path).unwrap().contains("</html>"));
    std::fs::remove_file(&path).unwrap();
}
