//! What shows later what was signed, for the access record (JR/T 0185-2020, 12.3). Not on the way of a request: read again, for those records
//! that need it.

use super::Worker;
use crate::audit::Evidence;
use crate::hash::sha256;
use crate::request::Request;
use crate::verdict::Verdict;

impl Worker {
    /// The evidence of a request that was accepted: the digest of what was signed, and the signature, which goes into `signature`. `None` where
    /// the request was not accepted or cannot be read by the configuration in force.
    pub fn evidence<'o>(
        &mut self,
        request: &Request<'_>,
        verdict: &Verdict,
        signature: &'o mut Vec<u8>,
    ) -> Option<Evidence<'o>> {
        let snapshot = self.shared.live.load_full();
        let app = snapshot.app(verdict.app_id.as_bytes()).filter(|_| verdict.ok())?;
        let named = request.profile.and_then(|name| snapshot.profile_named(name));
        for (index, profile) in snapshot.profiles() {
            if !app.allows_profile(index) || named.is_some_and(|named| named != index) {
                continue;
            }
            let Ok(extract) = profile.extract(request, &mut self.tools.scratch, snapshot.sizes()) else { continue };
            let mut keys =
                app.credentials.iter().filter(|key| key.kid == verdict.kid && extract.algorithms.has(key.alg));
            signature.clear();
            let Some(key) = keys.find(|key| profile.decode_signature(extract.signature, key.alg, signature).is_ok())
            else {
                continue;
            };
            let end = signature.len();
            // The secret of a keyed digest is not part of what is written here.
            profile.write_message(&extract, request, key.alg, signature)?;
            let digest = sha256::digest(signature.get(end..)?);
            signature.truncate(end);
            return Some(Evidence { digest, signature });
        }
        None
    }
}
