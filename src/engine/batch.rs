//! A batch on its way: what is known of each request between the stages, and the signatures of all of them side by side.

use super::derived::{At, Derived};
use super::guard::Hands;
use super::memory::{Memory, NonceKey};
use super::order::{self, Facts, Refused};
use super::tokens;
use crate::alg::{Item, MacInput, SignatureForm, Verifier};
use crate::canon;
use crate::keys::{ApiIndex, AppIndex, Snapshot};
use crate::lanes::{Cpu, prefetch, prefetch_of};
use crate::request::Request;
use crate::time::Millis;
use crate::token::Checker;
use crate::verdict::{Label, Reason, Ticket, Verdict};
use std::ops::Range;
use std::sync::Arc;

/// Requests that go through the stages together: full lanes for every algorithm, and scratch memory that stays in the second-level cache.
pub(super) const CHUNK: usize = 256;

/// How many requests ahead of the one that is read the next ones' texts are asked for: a batch of bodies outgrows the nearest caches.
const AHEAD: usize = 2;

/// What a worker's stages need beside the batch.
pub(super) struct Tools {
    pub scratch: canon::Scratch,
    pub verifier: Verifier,
    pub derived: Derived,
}

impl Tools {
    pub fn new(cpu: Cpu) -> Self {
        Self { scratch: canon::Scratch::new(), verifier: Verifier::new(cpu), derived: Derived::new() }
    }
}

/// Where a request stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stand {
    /// Refused by a check that no state can change; the verdict says why.
    Refused,
    /// Signatures to check, then the commit.
    Open,
    /// Seen in the nonce table before its signature was looked at: refused at the commit, by the same look.
    Seen,
}

/// Who a request says that it comes from.
#[derive(Clone, Default)]
pub(super) enum Claimed {
    #[default]
    Nobody,
    App(AppIndex),
    /// Where the id stands of an app that is not known.
    Unknown(Range<usize>),
}

/// What is known of one request. Its verdict is written once, at the end: the names in it stand in the snapshot.
pub(super) struct Slot {
    pub stand: Stand,
    /// Why it was refused; `ok` once it is accepted.
    pub reason: Reason,
    pub retry_after_ms: u64,
    pub alert: Option<u32>,
    pub claimed: Claimed,
    /// Where the key id stands that it names.
    pub kid: Range<usize>,
    pub now: Millis,
    pub app: Option<AppIndex>,
    /// The API that it calls, or why it may call none.
    pub api: Result<Option<ApiIndex>, Reason>,
    pub works: Range<usize>,
    pub nonce: Option<NonceKey>,
    /// Whether the nonce is looked up before the signature is checked.
    pub look: bool,
    /// What it asks for, hashed, where a limit counts distinct objects.
    pub object: Option<u64>,
    /// Where the user stands that a call with a grant is for.
    pub user: Range<usize>,
}

/// One signature to check: a credential of an app against a string to sign.
pub(super) struct Work {
    pub app: AppIndex,
    pub credential: usize,
    /// The key in place of the credential's own, where the profile derives one.
    pub derived: Option<At>,
    pub message: Range<usize>,
    pub signature: Range<usize>,
    pub form: SignatureForm,
    pub input: MacInput,
}

/// The memory of a batch; kept from batch to batch, so that nothing is allocated in steady state.
#[derive(Default)]
pub struct Batch {
    snapshot: Option<Arc<Snapshot>>,
    slots: Vec<Slot>,
    works: Vec<Work>,
    /// Strings to sign and decoded signatures.
    bytes: Vec<u8>,
    /// Users that calls with grants are for, and what requests name that the snapshot does not know.
    texts: Vec<u8>,
    items: Vec<Item<'static>>,
    good: Vec<bool>,
    /// What access tokens say, where the document has tokens.
    tokens: Option<Checker>,
}

/// Strings of more bytes than this together are checked before the batch goes on, so that large bodies do not add up.
const BYTES_MAX: usize = 4 << 20;

impl Batch {
    /// With nothing in it yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn begin(&mut self, snapshot: Arc<Snapshot>, now: Millis, count: usize) {
        self.snapshot = Some(snapshot);
        self.works.clear();
        self.bytes.clear();
        self.texts.clear();
        self.good.clear();
        if let Some(tokens) = &mut self.tokens {
            tokens.wipe();
        }
        self.slots.clear();
        self.slots.extend((0..count).map(|_| Slot {
            stand: Stand::Refused,
            reason: Reason::Internal,
            retry_after_ms: 0,
            alert: None,
            claimed: Claimed::Nobody,
            kid: 0..0,
            now,
            app: None,
            api: Ok(None),
            works: 0..0,
            nonce: None,
            look: false,
            object: None,
            user: 0..0,
        }));
    }

    pub(super) fn gate(&mut self, memory: &Memory, requests: &[Request<'_>], hands: &mut Hands) {
        let Some(snapshot) = self.snapshot.as_deref() else { return };
        for (index, (slot, request)) in self.slots.iter_mut().zip(requests).enumerate() {
            if let Some(ahead) = requests.get(index + AHEAD) {
                prefetch(ahead.target);
            }
            slot.now = request.received_at.unwrap_or(slot.now);
            match order::gate(snapshot, memory, request, slot, hands) {
                Ok(()) => slot.stand = Stand::Open,
                Err(refused) => refuse(slot, refused),
            }
        }
    }

    pub(super) fn prepare(&mut self, memory: &Memory, requests: &[Request<'_>], tools: &mut Tools) {
        let Some(snapshot) = self.snapshot.clone() else { return };
        tools.derived.begin();
        let mut looked = 0;
        for (index, request) in requests.iter().enumerate() {
            let first = self.works.len();
            if let Some(ahead) = requests.get(index + AHEAD) {
                prefetch(ahead.body);
            }
            let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.stand == Stand::Open) else { continue };
            let mut facts = Facts {
                works: &mut self.works,
                bytes: &mut self.bytes,
                derived: &mut tools.derived,
                texts: &mut self.texts,
            };
            let outcome = order::prepare(&snapshot, memory, request, slot, &mut facts, &mut tools.scratch);
            slot.works = first..self.works.len();
            if let Err(refused) = outcome {
                let app = slot.app.and_then(|app| snapshot.apps().get(app.get()));
                memory.guard.notice(refused.reason, app, request.client_ip, slot.now);
                refuse(slot, refused);
            }
            if self.bytes.len() > BYTES_MAX {
                self.spare_seen(memory, looked..index + 1);
                looked = index + 1;
                self.verify(tools);
                self.bytes.clear();
            }
        }
        self.spare_seen(memory, looked..requests.len());
    }

    /// Takes the signatures of requests whose nonces were seen before off the list of what is to be checked. All requests are read by now, so that the
    /// memory that this looks at had the time to come near. `slots`: those whose signatures are on the list and not checked yet.
    fn spare_seen(&mut self, memory: &Memory, slots: Range<usize>) {
        let mut kept = self.good.len();
        for slot in self.slots.get_mut(slots).unwrap_or_default() {
            let works = slot.works.clone();
            let first = kept;
            if slot.look && slot.nonce.as_ref().is_some_and(|nonce| memory.seen(nonce)) {
                slot.stand = Stand::Seen;
            } else if works.start == kept {
                kept = works.end;
            } else {
                for work in works {
                    self.works.swap(kept, work);
                    kept += 1;
                }
            }
            slot.works = first..kept;
        }
        self.works.truncate(kept);
    }

    /// Checks every signature that is not checked yet.
    pub(super) fn verify(&mut self, tools: &mut Tools) {
        let Some(snapshot) = self.snapshot.as_deref() else { return };
        let done = self.good.len();
        let mut items: Vec<Item<'_>> = recycle(std::mem::take(&mut self.items));
        for work in &self.works[done..] {
            // The indices are this batch's own, made from the same snapshot and buffer.
            let own = &snapshot.apps()[work.app.get()].credentials[work.credential].key;
            items.push(Item {
                key: work.derived.and_then(|at| tools.derived.get(at)).unwrap_or(own),
                message: &self.bytes[work.message.clone()],
                signature: &self.bytes[work.signature.clone()],
                form: work.form,
                input: work.input,
            });
        }
        self.good.resize(self.works.len(), false);
        tools.verifier.verify(&items, &mut self.good[done..]);
        self.items = recycle(items);
    }

    /// Reads the access tokens of the requests whose signatures are good, where there are tokens.
    pub(super) fn read_tokens(&mut self, requests: &[Request<'_>]) {
        let Some(snapshot) = self.snapshot.as_deref() else { return };
        let Some(tokens) = snapshot.tokens() else { return };
        let Self { slots, good, tokens: checker, .. } = self;
        let sent = |at: usize| {
            let (slot, request) = (slots.get(at)?, requests.get(at)?);
            let signed = slot.stand == Stand::Open && good.get(slot.works.clone())?.contains(&true);
            let app = snapshot.apps().get(slot.app.filter(|_| signed)?.get())?;
            let api = slot.api.ok().flatten().and_then(|api| snapshot.apis().get(api.get()));
            Some((app.id.as_bytes(), tokens::sent(snapshot, request, api).ok().flatten()?))
        };
        checker.get_or_insert_default().read(&tokens.policy, slots.len(), sent);
    }

    /// Writes the verdict of each request, in order.
    pub(super) fn commit(
        &mut self,
        memory: &Memory,
        requests: &[Request<'_>],
        hands: &mut Hands,
        verdicts: &mut [Verdict],
    ) {
        hands.hold.check();
        // Taken, so that an idle batch does not keep an old document's keys alive.
        let Some(snapshot) = self.snapshot.take() else { return };
        for slot in &self.slots {
            if let (Stand::Open, Some(nonce)) = (slot.stand, &slot.nonce) {
                memory.prefetch(nonce);
            }
        }
        for (at, (request, verdict)) in requests.iter().zip(verdicts).enumerate() {
            if let Some(app) = self.slots.get(at + AHEAD).and_then(|slot| snapshot.apps().get(slot.app?.get())) {
                // What its limits and its credential's name are looked up in; signatures have been checked since it was near.
                prefetch_of(app);
            }
            let Some(slot) = self.slots.get_mut(at) else { break };
            let mut verified = None;
            (verdict.ticket, verdict.one_time) = (Ticket::NONE, Ticket::NONE);
            if slot.stand != Stand::Refused {
                let token = self.tokens.as_ref().and_then(|tokens| tokens.said(at));
                let good = slot.works.clone().find(|at| self.good.get(*at) == Some(&true));
                verified = good.and_then(|at| self.works.get(at)).map(|work| work.credential);
                let user = self.texts.get(slot.user.clone()).unwrap_or_default();
                match order::commit(&snapshot, memory, request, slot, verified, token, user, hands, verdict) {
                    Ok(()) => slot.reason = Reason::Ok,
                    Err(refused) => {
                        let app = slot.app.and_then(|app| snapshot.apps().get(app.get()));
                        memory.guard.notice(refused.reason, app, request.client_ip, slot.now);
                        refuse(slot, refused);
                    }
                }
            }
            write(&snapshot, slot, &self.texts, verified, verdict);
        }
    }
}

fn refuse(slot: &mut Slot, refused: Refused) {
    slot.stand = Stand::Refused;
    slot.reason = refused.reason;
    slot.retry_after_ms = refused.retry_after_ms;
    slot.alert = None;
}

/// Writes the verdict on the request of `slot`: field by field, where it stays. `verified`: which credential of its app verified the signature. What an accepted
/// request took is written already.
fn write(snapshot: &Snapshot, slot: &Slot, texts: &[u8], verified: Option<usize>, verdict: &mut Verdict) {
    let app = |index: AppIndex| snapshot.apps().get(index.get());
    // Labels are copied from where they have long been: what was only just put together piece by piece would be waited for.
    let (claimed, kid);
    verdict.app_id = *match &slot.claimed {
        Claimed::Nobody => &Label::EMPTY,
        Claimed::App(index) => app(*index).map_or(&Label::EMPTY, |app| &app.id),
        Claimed::Unknown(text) => {
            claimed = label(texts, text);
            &claimed
        }
    };
    let api = slot.api.ok().flatten().and_then(|api| snapshot.apis().get(api.get()));
    verdict.api_id = *api.map_or(&Label::EMPTY, |api| &api.id);
    verdict.retry_after_ms = slot.retry_after_ms;
    verdict.alert = slot.alert;
    let verified = verified.filter(|_| slot.reason == Reason::Ok);
    let credential = verified.and_then(|index| app(slot.app?)?.credentials.get(index));
    verdict.kid = *match credential {
        Some(credential) => &credential.kid,
        None if slot.kid.is_empty() => &Label::EMPTY,
        None => {
            kid = label(texts, &slot.kid);
            &kid
        }
    };
    verdict.reason = slot.reason;
    verdict.code = snapshot.code(slot.reason);
}

/// What stands at `place`, as far as a label may hold it.
fn label<const N: usize>(texts: &[u8], place: &Range<usize>) -> Label<N> {
    Label::from_bytes_or_empty(texts.get(place.clone()).unwrap_or_default())
}

/// An emptied vector for items of another lifetime; the memory is kept (`collect` works in place).
fn recycle<'b>(mut items: Vec<Item<'_>>) -> Vec<Item<'b>> {
    items.clear();
    items.into_iter().map(|_| unreachable!("the vector was emptied")).collect()
}
