//! The proof's claim by brute force: every interleaving of single accesses, from every starting content of a small page, for every choice of
//! messages. A process that is killed is one that takes no further step, so every prefix counts too. (The models under loom run the real
//! code; this runs the algorithm as the head of the room states it, over far more starting points.)

use std::collections::HashSet;

/// Life of a slot in generations; small, so that "free", "taken" and "newer" all occur among a handful of generations.
const LIFE: i8 = 2;
const SLOTS: usize = 3;

/// (tag, generation); tag 0 is empty.
type Slot = (u8, i8);
type Page = [Slot; SLOTS];

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Step {
    /// About to read this slot.
    Read(usize),
    /// Has read this in the slot, found it free, is about to swap.
    Swap(usize, Slot),
    Admitted,
    Replayed,
    Refused,
}

type Process = (Slot, Step);

/// How a process judges what it has read.
type Judge = fn(message: Slot, read: Slot) -> Judgement;

enum Judgement {
    Same,
    Free,
    Newer,
    Taken,
}

fn as_proved(message: Slot, read: Slot) -> Judgement {
    match read.1 - message.1 {
        _ if read.0 == 0 => Judgement::Free,
        _ if read == message => Judgement::Same,
        difference if difference <= -LIFE => Judgement::Free,
        difference if difference >= LIFE => Judgement::Newer,
        _ => Judgement::Taken,
    }
}

/// As proved, but goes past newer entries instead of refusing.
fn goes_past_newer(message: Slot, read: Slot) -> Judgement {
    match as_proved(message, read) {
        Judgement::Newer => Judgement::Taken,
        other => other,
    }
}

/// As proved, but takes the place of any older generation.
fn takes_any_older(message: Slot, read: Slot) -> Judgement {
    if read.0 != 0 && read.1 < message.1 { Judgement::Free } else { as_proved(message, read) }
}

/// The process after its next access, and the page.
fn step(judge: Judge, mut page: Page, (message, step): Process) -> Option<(Page, Process)> {
    let next = match step {
        Step::Read(SLOTS) => Step::Refused,
        Step::Read(at) => match judge(message, page[at]) {
            Judgement::Same => Step::Replayed,
            Judgement::Free => Step::Swap(at, page[at]),
            Judgement::Newer => Step::Refused,
            Judgement::Taken => Step::Read(at + 1),
        },
        Step::Swap(at, expected) if page[at] == expected => {
            page[at] = message;
            Step::Admitted
        }
        Step::Swap(at, _) => Step::Read(at),
        Step::Admitted | Step::Replayed | Step::Refused => return None,
    };
    Some((page, (message, next)))
}

/// Explores everything from `page`; whether a message is ever admitted twice. Counts states.
fn twice(judge: Judge, page: Page, messages: &[Slot], states: &mut usize) -> bool {
    let start: Vec<Process> = messages.iter().map(|message| (*message, Step::Read(0))).collect();
    let mut seen = HashSet::new();
    let mut open = vec![(page, start)];
    while let Some((page, processes)) = open.pop() {
        if !seen.insert((page, processes.clone())) {
            continue;
        }
        let admitted: Vec<Slot> =
            processes.iter().filter(|(_, step)| *step == Step::Admitted).map(|(m, _)| *m).collect();
        if admitted.iter().enumerate().any(|(at, message)| admitted[..at].contains(message)) {
            return true;
        }
        for (at, process) in processes.iter().enumerate() {
            if let Some((page, process)) = step(judge, page, *process) {
                let mut processes = processes.clone();
                processes[at] = process;
                open.push((page, processes));
            }
        }
    }
    *states += seen.len();
    false
}

/// All starting pages over generations 0 to 3, and for each all choices of two more messages beside two copies of one.
fn somewhere_twice(judge: Judge) -> (bool, usize) {
    let contents: Vec<Slot> = (0..4).map(|generation| (9, generation)).chain([(0, 0)]).collect();
    let others: Vec<Slot> = (1..=5).map(|generation| (2, generation)).collect();
    let mut states = 0;
    for (a, b, c) in (0..125).map(|n| (n % 5, n / 5 % 5, n / 25)) {
        for (first, second) in (0..25).map(|n| (n % 5, n / 5)).filter(|(first, second)| first <= second) {
            // Two tags at one generation are two messages.
            let messages = [(1, 3), (1, 3), others[first], (3, others[second].1)];
            if twice(judge, [contents[a], contents[b], contents[c]], &messages, &mut states) {
                return (true, states);
            }
        }
    }
    (false, states)
}

#[test]
fn no_interleaving_admits_a_message_twice() {
    let (found, states) = somewhere_twice(as_proved);
    assert!(!found);
    assert!(states > 100_000, "{states} states");
}

#[test]
fn the_search_finds_what_the_proof_excludes() {
    assert!(somewhere_twice(goes_past_newer).0, "a message whose place was taken over");
    assert!(
        somewhere_twice(takes_any_older).0,
        "a message whose place was taken over by a generation too near to refuse"
    );
}
