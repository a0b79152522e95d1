//! The two protocols of a queue that are our own: threads that sleep while there is nothing to do, and a bell for those who wait outside.
//! Both are eventcounts: who waits says so first and looks once more second; who has something says so first and looks for waiters second.
//! Under sequential consistency (see [`crate::sync`]) one of the two sees the other. `models` has every interleaving.

use crate::sync::{AtomicU64, Condvar, Mutex, Ordering, publish_fence};
use std::sync::PoisonError;

/// In the low half: threads that sleep, or are about to, and that nobody has claimed yet.
const SLEEPERS: u64 = 0xffff_ffff;
/// A claimed thread has not looked yet: whoever has something to do need not wake another.
const WAKING: u64 = 1 << 32;

/// Where threads sleep.
pub(super) struct Beds {
    state: AtomicU64,
    /// Claims that no thread has taken yet: 0 or 1.
    claims: Mutex<u32>,
    claimed: Condvar,
}

impl Beds {
    pub fn new() -> Self {
        Self { state: AtomicU64::new(0), claims: Mutex::new(0), claimed: Condvar::new() }
    }

    /// Sleeps until woken, unless `nothing` says that there is something after all. May return without cause; the caller looks again.
    pub fn sleep(&self, nothing: impl Fn() -> bool) {
        self.state.fetch_add(1, Ordering::SeqCst);
        publish_fence();
        if !nothing() {
            let mut state = self.state.load(Ordering::Relaxed);
            while state & SLEEPERS > 0 {
                match self.state.compare_exchange(state, state - 1, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => return,
                    Err(found) => state = found,
                }
            }
            // Every sleeper is claimed, this one too: its claim is on the way.
        }
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        while *claims == 0 {
            claims = self.claimed.wait(claims).unwrap_or_else(PoisonError::into_inner);
        }
        *claims -= 1;
        drop(claims);
        // From here on another may be woken; what came before this is seen by the look that follows.
        self.state.fetch_and(!WAKING, Ordering::SeqCst);
        publish_fence();
    }

    /// Wakes one sleeper, if there is one and none is on its way up. To be called after there is something to do.
    pub fn wake(&self) {
        publish_fence();
        let mut state = self.state.load(Ordering::SeqCst);
        loop {
            if state & SLEEPERS == 0 || state & WAKING != 0 {
                return;
            }
            let claim = (state - 1) | WAKING;
            match self.state.compare_exchange(state, claim, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => break,
                Err(found) => state = found,
            }
        }
        *self.claims.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.claimed.notify_one();
    }
}

/// What a bell is made of: an eventfd.
pub(super) trait Counter {
    /// Adds one.
    fn raise(&self);
    /// Takes all.
    fn clear(&self);
}

/// Tells those who wait on a descriptor that there is something to take, with one call of the system however much there is.
pub(super) struct Bell<C> {
    rung: AtomicU64,
    pub counter: C,
}

impl<C: Counter> Bell<C> {
    pub fn new(counter: C) -> Self {
        Self { rung: AtomicU64::new(0), counter }
    }

    /// To be called after there is something to take.
    pub fn ring(&self) {
        publish_fence();
        if self.rung.swap(1, Ordering::SeqCst) == 0 {
            self.counter.raise();
        }
    }

    /// To be called before taking; who then leaves something rings again. The counter first: cleared after `rung`, it could lose the call of one
    /// who rings in between.
    pub fn hush(&self) {
        self.counter.clear();
        self.rung.swap(0, Ordering::SeqCst);
        publish_fence();
    }
}

#[cfg(all(test, loom))]
mod models {
    //! `RUSTFLAGS="--cfg loom" cargo test --release --lib models`.

    use super::*;
    use crate::sync::fence;
    use loom::thread;
    use std::sync::Arc;

    fn model(run: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 20_000;
        builder.preemption_bound = Some(if std::env::var_os("PORTCULLIS_SLOW").is_some() { 4 } else { 3 });
        builder.check(run);
    }

    /// As many things to do as are in it; a queue whose every access is sequentially consistent, as the real one's ends are.
    struct Things(AtomicU64);

    impl Things {
        fn put(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }

        fn none(&self) -> bool {
            fence(Ordering::SeqCst);
            self.0.load(Ordering::SeqCst) == 0
        }

        fn take_all(&self) -> u64 {
            fence(Ordering::SeqCst);
            self.0.swap(0, Ordering::SeqCst)
        }
    }

    struct Pool {
        beds: Beds,
        todo: Things,
        stop: AtomicU64,
    }

    /// Takes until it is told to stop and nothing is left.
    fn worker(pool: &Pool) -> u64 {
        let mut taken = 0;
        loop {
            let got = pool.todo.take_all();
            taken += got;
            if got == 0 {
                if pool.stop.load(Ordering::SeqCst) == 1 && pool.todo.none() {
                    pool.beds.wake();
                    return taken;
                }
                pool.beds.sleep(|| pool.todo.none() && pool.stop.load(Ordering::SeqCst) == 0);
            }
        }
    }

    #[test]
    fn nothing_submitted_is_left_by_threads_that_sleep() {
        model(|| {
            let pool = Arc::new(Pool { beds: Beds::new(), todo: Things(AtomicU64::new(0)), stop: AtomicU64::new(0) });
            let own = Arc::clone(&pool);
            let sleeper = thread::spawn(move || {
                // One sleep at most: a lost wake is a deadlock, which loom reports.
                let mut taken = 0;
                while taken < 2 {
                    let got = own.todo.take_all();
                    taken += got;
                    if got == 0 {
                        own.beds.sleep(|| own.todo.none());
                    }
                }
            });
            let other = Arc::clone(&pool);
            let submitter = thread::spawn(move || {
                other.todo.put();
                other.beds.wake();
            });
            pool.todo.put();
            pool.beds.wake();
            submitter.join().unwrap();
            sleeper.join().unwrap();
        });
    }

    #[test]
    fn two_threads_stop_when_told_to() {
        model(|| {
            let pool = Arc::new(Pool { beds: Beds::new(), todo: Things(AtomicU64::new(0)), stop: AtomicU64::new(0) });
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let pool = Arc::clone(&pool);
                    thread::spawn(move || worker(&pool))
                })
                .collect();
            pool.todo.put();
            pool.beds.wake();
            pool.stop.fetch_add(1, Ordering::SeqCst);
            pool.beds.wake();
            let taken: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(taken, 1);
        });
    }

    /// An eventfd: a counter whose readers may wait.
    struct Eventfd(Mutex<u64>, Condvar);

    impl Counter for Eventfd {
        fn raise(&self) {
            *self.0.lock().unwrap() += 1;
            self.1.notify_all();
        }

        fn clear(&self) {
            *self.0.lock().unwrap() = 0;
        }
    }

    impl Eventfd {
        fn wait(&self) {
            let mut count = self.0.lock().unwrap();
            while *count == 0 {
                count = self.1.wait(count).unwrap();
            }
        }
    }

    /// One thread completes two things, another one; the one that reaps waits on the descriptor for all it takes. `hush` as given.
    fn completions_are_reaped(hush: fn(&Bell<Eventfd>)) {
        model(move || {
            let shared = Arc::new((Bell::new(Eventfd(Mutex::new(0), Condvar::new())), Things(AtomicU64::new(0))));
            let threads: Vec<_> = (1..=2)
                .map(|count| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        for _ in 0..count {
                            shared.1.put();
                            shared.0.ring();
                        }
                    })
                })
                .collect();
            let mut reaped = 0;
            while reaped < 3 {
                shared.0.counter.wait();
                hush(&shared.0);
                reaped += shared.1.take_all();
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn who_waits_on_the_descriptor_hears_of_every_completion() {
        completions_are_reaped(Bell::hush);
    }

    /// The order that looks as good: the call of one who rings between the two is cleared away.
    #[test]
    #[should_panic]
    fn clearing_the_counter_last_loses_a_completion() {
        completions_are_reaped(|bell| {
            bell.rung.swap(0, Ordering::SeqCst);
            publish_fence();
            bell.counter.clear();
        });
    }
}
