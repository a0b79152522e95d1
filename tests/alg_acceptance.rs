//! What each algorithm accepts and refuses at its edges, as data: `vectors/alg/acceptance.json`, made by `vectors/alg/make.py` with the
//! verdict of every case known by construction. Run alone, all together, and in batches of one key, with every set of CPU features.

use std::collections::BTreeMap;

use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, Verifier};
use portcullis::codec::hex;
use portcullis::lanes::Cpu;
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode_vec(text(value, name).as_bytes()).unwrap()
}

struct Case<'a> {
    key: &'a Key,
    name: String,
    message: Vec<u8>,
    signature: Vec<u8>,
    form: SignatureForm,
    input: MacInput,
    good: bool,
}

impl Case<'_> {
    fn item(&self) -> Item<'_> {
        Item { key: self.key, message: &self.message, signature: &self.signature, form: self.form, input: self.input }
    }
}

fn keys(table: &Value) -> BTreeMap<&str, Key> {
    table["keys"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, key)| {
            let alg = Algorithm::from_name(text(key, "algorithm")).unwrap();
            let key = if alg.is_mac() {
                Key::secret(alg, &bytes(key, "secret"))
            } else {
                let user_id = key.get("user_id").map(|_| bytes(key, "user_id"));
                let public =
                    PublicKey::from_spki_der(&bytes(key, "spki")).unwrap_or_else(|why| panic!("{name}: {why}"));
                Key::public(alg, &public, user_id.as_deref())
            };
            (name.as_str(), key.unwrap_or_else(|why| panic!("{name}: {why}")))
        })
        .collect()
}

fn cases<'a>(table: &Value, keys: &'a BTreeMap<&str, Key>) -> Vec<Case<'a>> {
    table["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| Case {
            key: &keys[text(case, "key")],
            name: format!("{}: {} ({})", text(case, "key"), text(case, "name"), text(case, "why")),
            message: bytes(case, "message"),
            signature: bytes(case, "signature"),
            form: match text(case, "form") {
                "der" => SignatureForm::Der,
                "fixed" => SignatureForm::Fixed,
                "either" => SignatureForm::Either,
                other => panic!("form {other}"),
            },
            input: match text(case, "input") {
                "plain" => MacInput::Plain,
                "append_key" => MacInput::AppendKey,
                other => panic!("input {other}"),
            },
            good: case["good"].as_bool().unwrap(),
        })
        .collect()
}

#[test]
fn the_edges_of_every_algorithm() {
    let table: Value = serde_json::from_str(include_str!("../vectors/alg/acceptance.json")).unwrap();
    let keys = keys(&table);
    let cases = cases(&table, &keys);
    for alg in Algorithm::ALL {
        let of: Vec<_> = cases.iter().filter(|c| c.key.algorithm() == *alg).collect();
        let good = of.iter().filter(|c| c.good).count();
        assert!(good > 0 && good < of.len(), "{alg}: {good} of {}", of.len());
    }
    for cpu in Cpu::variants() {
        let mut verifier = Verifier::new(cpu);
        let mut wrong = Vec::new();
        let mut judge = |how: &str, cases: &[&Case<'_>]| {
            let items: Vec<Item<'_>> = cases.iter().map(|c| c.item()).collect();
            let mut ok = vec![false; items.len()];
            verifier.verify(&items, &mut ok);
            for (case, ok) in cases.iter().zip(ok) {
                if ok != case.good {
                    wrong.push(format!("{}, {how}: judged {ok}", case.name));
                }
            }
        };
        let all: Vec<&Case<'_>> = cases.iter().collect();
        for case in &all {
            judge("alone", &[case]);
        }
        judge("together", &all);
        judge("together, backwards", &all.iter().rev().copied().collect::<Vec<_>>());
        for key in keys.values() {
            let of: Vec<&Case<'_>> = all.iter().copied().filter(|c| std::ptr::eq(c.key, key)).collect();
            judge("with its key's", &of);
        }
        assert!(wrong.is_empty(), "{cpu:?}: {} of {}\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }
}
