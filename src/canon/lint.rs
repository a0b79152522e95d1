//! The linter: what a scheme leaves open, found from the profile alone, before the first request.
//!
//! A shape says what its string to sign covers ([`Coverage`]); the rules here are the same for all shapes. A profile with a hole is
//! refused at load unless its `legacy_unsafe` names the hole, so that nobody enables one without having read its name.

use super::alg::{AlgSet, Class};

/// One hole of a profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The stable name, as `legacy_unsafe` takes it.
    pub hole: &'static str,
    /// What it lets an attacker do, in one sentence.
    pub sentence: String,
    /// Whether the profile's `legacy_unsafe` names it.
    pub accepted: bool,
}

/// Every hole that `legacy_unsafe` may name, with what it means in general.
pub const HOLES: &[(&str, &str)] = &[
    ("no_timestamp", "the profile reads no timestamp: requests never go stale"),
    ("unsigned_timestamp", "the timestamp that is checked is not the one that is signed"),
    ("no_nonce", "the profile reads no nonce: a request can be sent again within its window"),
    ("unsigned_nonce", "the nonce is not covered by the signature"),
    ("endpoint_nonce_scope", "nonces are kept apart by path although the path is not signed"),
    ("unsigned_app_id", "the app id is not covered by the signature"),
    ("unsigned_method", "the method is not covered by the signature"),
    ("unsigned_path", "the path is not covered by the signature"),
    ("unsigned_query", "the query is not covered by the signature"),
    ("unsigned_digest", "a header with the body's digest is not among those that must be signed"),
    ("unsigned_body", "a body, or part of one, can travel unsigned"),
    ("unsigned_parameter", "parameters are left out of the string to sign by name"),
    ("unsigned_source", "parameters of query and body are signed alike"),
    ("unsigned_empty", "parameters with empty values are left out of the string to sign"),
    ("ambiguous_join", "two different sets of parameters can have the same string to sign"),
    ("algorithm_from_request", "an unsigned part of the request chooses the algorithm"),
    ("a2_mac", "level A2 admits an algorithm that is not a signature"),
];

/// Whether a field is read, and if so, signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Cover {
    /// The profile reads no such field.
    Absent,
    /// Read from a place that the string to sign covers.
    Signed,
    /// Read from that place, which the string to sign does not cover.
    Unsigned(String),
}

/// What the string to sign of a profile covers, as its shape knows it.
pub(super) struct Coverage {
    pub timestamp: Cover,
    pub nonce: Cover,
    pub app_id: Cover,
    /// The field by which a request names its algorithm, where that narrows the keys tried.
    pub algorithm: Cover,
    pub method: bool,
    pub path: bool,
    pub query: bool,
    /// Headers with a digest of the body that need not be signed.
    pub loose_digests: Vec<String>,
    /// Which part of a body can go unsigned.
    pub body_gap: Option<&'static str>,
    /// Whether nonces are kept apart by method and path.
    pub endpoint_scope: bool,
    /// Whether a method's parameters may come from more than one source, of which the string does not tell.
    pub movable: bool,
    /// Whether parameters with empty values are left out.
    pub empty_dropped: bool,
    /// Whether different parameters can make the same string.
    pub ambiguous: bool,
    /// Names left out of the string.
    pub excluded: Vec<String>,
}

/// The holes of a profile that covers `coverage`, admits `algs` and claims level A2 or not; `accepted` are the names it accepts.
pub(super) fn findings(coverage: &Coverage, algs: AlgSet, a2: bool, accepted: &[String]) -> Vec<Finding> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    match &coverage.timestamp {
        Cover::Absent => found.push((
            "no_timestamp",
            "no timestamp is read: a request that was captured once stays good for as long as its key".into(),
        )),
        Cover::Unsigned(place) => found.push((
            "unsigned_timestamp",
            format!(
                "the timestamp that is checked ({place}) is not part of the string to sign: \
                 whoever holds an old request can freshen it"
            ),
        )),
        Cover::Signed => {}
    }
    match &coverage.nonce {
        Cover::Absent => found
            .push(("no_nonce", "no nonce is read: a request can be sent any number of times within its window".into())),
        Cover::Unsigned(place) => found.push((
            "unsigned_nonce",
            format!(
                "the nonce ({place}) is not part of the string to sign: \
                 whoever holds a request can send it again under another nonce"
            ),
        )),
        Cover::Signed => {}
    }
    if coverage.endpoint_scope && !(coverage.method && coverage.path) {
        found.push((
            "endpoint_nonce_scope",
            "nonces are kept apart by method and path, which are not signed: \
             one signed request is good once at every endpoint"
                .into(),
        ));
    }
    if let Cover::Unsigned(place) = &coverage.app_id {
        found.push((
            "unsigned_app_id",
            format!(
                "the app id ({place}) is not part of the string to sign: \
                 a request can be moved to another app that shares the key"
            ),
        ));
    }
    if !coverage.method {
        found.push((
            "unsigned_method",
            "the method is not part of the string to sign: a signed request can be sent with any method that the profile admits"
                .into(),
        ));
    }
    if !coverage.path {
        found.push((
            "unsigned_path",
            "the path is not part of the string to sign: a signed request can be sent to any other path".into(),
        ));
    }
    if !coverage.query {
        found.push((
            "unsigned_query",
            "the query is not part of the string to sign: whoever relays a request can change its parameters".into(),
        ));
    }
    if !coverage.loose_digests.is_empty() {
        found.push((
            "unsigned_digest",
            format!(
                "{} is not among the headers that must be signed: whoever relays a request can change the body and its digest",
                coverage.loose_digests.join(", ")
            ),
        ));
    }
    if let Some(gap) = coverage.body_gap {
        found.push(("unsigned_body", format!("{gap}: whoever relays a request can change that part of it")));
    }
    if !coverage.excluded.is_empty() {
        found.push((
            "unsigned_parameter",
            format!(
                "parameters are left out of the string to sign ({}): whoever relays a request can set them",
                coverage.excluded.join(", ")
            ),
        ));
    }
    if coverage.movable {
        found.push((
            "unsigned_source",
            "parameters of query and body are signed alike: whoever relays a request can move them from one to the other".into(),
        ));
    }
    if coverage.empty_dropped {
        found.push((
            "unsigned_empty",
            "parameters with an empty value are left out of the string to sign: \
             whoever relays a request can add such ones, and take them away"
                .into(),
        ));
    }
    if coverage.ambiguous {
        found.push((
            "ambiguous_join",
            "names and values are joined by = and & without encoding: a value that holds \"&name=\" signs like a parameter of its own, \
             so whoever relays a request can split or merge parameters"
                .into(),
        ));
    }
    if let Cover::Unsigned(place) = &coverage.algorithm {
        found.push((
            "algorithm_from_request",
            format!(
                "{place} chooses the algorithm and is not part of the string to sign: \
                 whoever relays a request chooses the weakest of the app's keys"
            ),
        ));
    }
    if a2 {
        let macs: Vec<&str> = algs.iter().filter(|a| matches!(a.class(), Class::Mac(_))).map(|a| a.name()).collect();
        if !macs.is_empty() {
            found.push((
                "a2_mac",
                format!(
                    "level A2 wants a digital signature (JR/T 0185-2020, 7.2.2), but {} can be made by both sides",
                    macs.join(", ")
                ),
            ));
        }
    }
    found
        .into_iter()
        .map(|(hole, sentence)| Finding { hole, sentence, accepted: accepted.iter().any(|a| a == hole) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Alg;
    use super::*;

    /// Every hole can be found, and none is found that has no entry in the table.
    #[test]
    fn every_hole_of_the_table_is_found() {
        let open = |cover: fn(String) -> Cover| Coverage {
            timestamp: cover("header".into()),
            nonce: cover("header".into()),
            app_id: cover("header".into()),
            algorithm: cover("header".into()),
            method: false,
            path: false,
            query: false,
            loose_digests: vec!["digest".into()],
            body_gap: Some("the body is not read"),
            endpoint_scope: true,
            movable: true,
            empty_dropped: true,
            ambiguous: true,
            excluded: vec!["file".into()],
        };
        let mut names: Vec<&str> = Vec::new();
        for cover in [Cover::Unsigned as fn(String) -> Cover, |_| Cover::Absent] {
            names.extend(findings(&open(cover), AlgSet::EMPTY.with(Alg::MD5), true, &[]).iter().map(|f| f.hole));
        }
        names.sort_unstable();
        names.dedup();
        let mut known: Vec<&str> = HOLES.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn a_closed_profile_has_none() {
        let closed = Coverage {
            timestamp: Cover::Signed,
            nonce: Cover::Signed,
            app_id: Cover::Absent,
            algorithm: Cover::Absent,
            method: true,
            path: true,
            query: true,
            loose_digests: Vec::new(),
            body_gap: None,
            endpoint_scope: true,
            movable: false,
            empty_dropped: false,
            ambiguous: false,
            excluded: Vec::new(),
        };
        assert_eq!(findings(&closed, AlgSet::EMPTY.with(Alg::MD5), false, &[]), []);
    }
}
