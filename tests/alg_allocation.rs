//! In steady state a verifier allocates nothing on the Rust heap: not for a mixed batch, not for one item, not for a broken signature.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use portcullis::alg::{Item, SignatureForm, Verifier};
use portcullis::lanes::Cpu;
use support::pairs;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands every call on to the system's allocator unchanged; the counter is a thread-local without a destructor, so that touching it
// allocates nothing.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps `GlobalAlloc`'s contract, which is the system allocator's.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the caller keeps `GlobalAlloc`'s contract, which is the system allocator's.
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn nothing_is_allocated_in_steady_state() {
    let pairs = pairs(1);
    let mut cases = Vec::new();
    for (i, pair) in pairs.iter().enumerate() {
        for form in [SignatureForm::Der, SignatureForm::Fixed] {
            let message = vec![i as u8; 300];
            let mut signature = pair.signing.sign(&message, form, pair.input()).unwrap();
            cases.push((pair, message.clone(), signature.clone(), form, true));
            signature[5] ^= 1;
            cases.push((pair, message, signature, form, false));
        }
    }
    let items: Vec<Item<'_>> = cases
        .iter()
        .map(|(pair, message, signature, form, _)| Item {
            key: &pair.key,
            message,
            signature,
            form: *form,
            input: pair.input(),
        })
        .collect();
    assert!(counted(|| drop(std::hint::black_box(vec![1u8; 100]))) == 1, "the counter counts");
    for cpu in Cpu::variants() {
        let mut verifier = Verifier::new(cpu);
        let mut ok = vec![false; items.len()];
        verifier.verify(&items, &mut ok);
        for ((pair, .., good), ok) in cases.iter().zip(&ok) {
            assert_eq!(ok, good, "{}", pair.algorithm());
        }
        let together = counted(|| verifier.verify(&items, &mut ok));
        assert_eq!(together, 0, "a batch of everything, {cpu:?}");
        for item in &items {
            let alone = counted(|| verifier.verify(std::slice::from_ref(item), &mut [false]));
            assert_eq!(alone, 0, "{}, {cpu:?}", item.key.algorithm());
        }
    }
}
