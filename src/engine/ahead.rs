//! Looking ahead: what judging a request will need, asked for before it is judged.

use super::Worker;
use crate::request::Request;

impl Worker {
    /// Brings what judging these requests will look at into the caches: the app, and the place of its nonce in the shared table. Decides
    /// and changes nothing. It costs a reading of each request: for requests that wait for something else anyway.
    pub fn prefetch(&mut self, requests: &[Request<'_>]) {
        let snapshot = self.shared.live.load_full();
        let memory = &self.shared.memory;
        for request in requests.iter().filter(|request| request.check(snapshot.sizes()).is_ok()) {
            let named = request.profile.and_then(|name| snapshot.profile_named(name));
            let mut profiles = snapshot.profiles().filter(|(index, profile)| match (request.profile, named) {
                (Some(_), named) => named == Some(*index),
                (None, _) => profile.recognises(request),
            });
            let Some((index, profile)) = profiles.next() else { continue };
            let Ok(extract) = profile.extract(request, &mut self.tools.scratch, snapshot.sizes()) else { continue };
            let app = match (extract.app_id, extract.kid) {
                (Some(id), _) => snapshot.app(id),
                (None, Some(kid)) => snapshot.by_kid(index, kid).map(|(app, _)| app),
                (None, None) => snapshot.sole_app(index),
            };
            let (Some(app), Some(nonce)) = (app, extract.nonce) else { continue };
            let at = extract.timestamp.or(request.received_at).unwrap_or_else(|| self.shared.now());
            memory.prefetch(&memory.nonce_key(app, nonce, at, profile, snapshot.nonce_mode(index), request));
        }
    }
}
