//! The profiles that come with the crate: documents like anybody's own, compiled by the same code.

use crate::codec::doc::Document;
use crate::error::DocumentError;
use std::sync::{Arc, OnceLock};

use super::Profile;

macro_rules! documents {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("profiles/", $name, ".json")))),*] };
}

const DOCUMENTS: &[(&str, &str)] = documents![
    "openapi",
    "alipay-v2",
    "alipay-notify",
    "alipay-v3",
    "wechatpay-v3",
    "wechatpay-v3-callback",
    "wechatpay-v2",
    "unionpay",
    "aws-sigv4",
    "aws-sigv4-s3",
    "huaweicloud",
    "alibabacloud-acs3",
    "alibabacloud-rpc",
    "alibabacloud-roa",
    "tencentcloud-tc3",
    "kong-hmac",
    "apisix-hmac",
    "apisix-hmac-legacy",
    "rfc9421",
    "jws-detached",
    "jwt",
    "stripe",
    "github",
    "standard-webhooks",
];

const NAMES: [&str; DOCUMENTS.len()] = {
    let mut names = [""; DOCUMENTS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = DOCUMENTS[i].0;
        i += 1;
    }
    names
};

fn compiled() -> &'static [Result<Arc<Profile>, DocumentError>] {
    static COMPILED: OnceLock<Vec<Result<Arc<Profile>, DocumentError>>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let compile = |text: &str| Profile::from_document(&Document::parse(text.as_bytes())?.root()).map(Arc::new);
        DOCUMENTS.iter().map(|(_, text)| compile(text)).collect()
    })
}

/// The names of the built-in profiles.
#[must_use]
pub fn builtin_names() -> &'static [&'static str] {
    &NAMES
}

/// The built-in profile `name`; compiled once a process.
#[must_use]
pub fn builtin(name: &str) -> Option<Arc<Profile>> {
    let at = NAMES.iter().position(|n| *n == name)?;
    compiled().get(at)?.as_ref().ok().cloned()
}

/// The document of the built-in profile `name`: JSON, to read or to start one's own from.
#[must_use]
pub fn builtin_document(name: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_compiles_under_its_name() {
        for (at, name) in builtin_names().iter().enumerate() {
            if let Err(e) = &compiled()[at] {
                panic!("{name}: {e}");
            }
            assert_eq!(builtin(name).unwrap().name(), *name);
            assert!(builtin_document(name).is_some_and(|text| text.contains(name)));
        }
        assert!(builtin("no-such-profile").is_none());
        assert!(builtin_document("no-such-profile").is_none());
    }
}
