//! The first page of a region: what it is and what it was made for. Written once, before anyone else can see it; immutable from then on.
//!
//! ```text
//! word  0       magic
//!       1       format version
//!       2       checksum of words 3.. (damage, not malice: who can write the file can write anything)
//!       3       birth, milliseconds since the epoch
//!       4..8    two random keys of 128 bits
//!       8       words of the whole region
//!       9       number of sections
//!      10..16   zero
//!      16 + 31i one entry for section i, at most 16 of them:
//!               +0,1  name, 16 bytes of ASCII, padded with zeros
//!               +2    first word, +3 number of words
//!               +4    number of facts
//!               +5+3j fact j, at most 8: name (two words), value; a fact chosen by the creator has the top bit of the first
//!                     name byte set, all others must be what the attaching process asks for
//! ```
//! Words are little-endian, as every target of this crate is.

use super::PAGE_WORDS;
use super::region::RegionSpec;

pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"PORTCULL");
/// Counts changes of the meaning of any bit in a region.
pub(super) const VERSION: u64 = 4;
const SECTIONS: usize = 16;
const SECTIONS_MAX: usize = 16;
const ENTRY: usize = 31;
const FACTS_MAX: usize = 8;

/// A named number about a section, kept in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// At most 16 ASCII characters; how the user knows the number (`nonces`, `past_window_ms`).
    pub name: &'static str,
    /// The number.
    pub value: u64,
    /// Whether the creator chooses and everybody else reads, instead of everybody having to ask for the same.
    pub chosen: bool,
}

pub(super) type Page = [u64; PAGE_WORDS];

/// What an attaching process takes from a header, besides the agreement.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub birth: i64,
    pub keys: [[u8; 16]; 2],
    /// (section, fact, value) of the facts that the creator chose.
    pub chosen: Vec<(String, String, u64)>,
}

fn name_words(name: &str, chosen: bool) -> [u64; 2] {
    let mut bytes = [0; 16];
    for (byte, character) in bytes.iter_mut().zip(name.bytes()) {
        *byte = character & 0x7f;
    }
    if chosen {
        bytes[0] |= 0x80;
    }
    let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    [half(0), half(8)]
}

fn name_text(words: &[u64]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.map(|byte| char::from(byte & 0x7f)).take_while(|c| c.is_ascii_graphic()).collect()
}

/// FNV-1a over words, with a final mix: notices damage.
fn checksum(words: &[u64]) -> u64 {
    let hash = words.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3));
    hash ^ (hash >> 29)
}

/// Words of the whole region; `None` where they do not fit an address space or the header.
pub(super) fn total_words(spec: &RegionSpec) -> Option<u64> {
    if spec.sections.len() > SECTIONS_MAX || spec.sections.iter().any(|section| section.shape.len() > FACTS_MAX) {
        return None;
    }
    let mut total = PAGE_WORDS as u64;
    for section in &spec.sections {
        total = total.checked_add(section.words.checked_next_multiple_of(PAGE_WORDS as u64)?)?;
    }
    (total <= (1 << 44)).then_some(total)
}

/// The header of a new region, magic included.
pub(super) fn make(spec: &RegionSpec, total: u64, keys: [[u8; 16]; 2]) -> Page {
    let mut page = [0; PAGE_WORDS];
    page[0] = MAGIC;
    page[1] = VERSION;
    page[3] = spec.now.0.cast_unsigned();
    for (word, chunk) in page[4..8].iter_mut().zip(keys.as_flattened().chunks(8)) {
        *word = u64::from_le_bytes(std::array::from_fn(|i| chunk[i]));
    }
    page[8] = total;
    page[9] = spec.sections.len() as u64;
    let mut first = PAGE_WORDS as u64;
    for (section, entry) in spec.sections.iter().zip(page[SECTIONS..].chunks_mut(ENTRY)) {
        entry[..2].copy_from_slice(&name_words(section.name, false));
        entry[2] = first;
        entry[3] = section.words;
        entry[4] = section.shape.len() as u64;
        for (fact, slot) in section.shape.iter().zip(entry[5..].chunks_mut(3)) {
            slot[..2].copy_from_slice(&name_words(fact.name, fact.chosen));
            slot[2] = fact.value;
        }
        first += section.words.next_multiple_of(PAGE_WORDS as u64);
    }
    page[2] = checksum(&page[3..]);
    page
}

/// Whether `page` is a sound header of this format; else what is wrong with it.
pub(super) fn check(page: &Page) -> Result<(), String> {
    if page[0] != MAGIC {
        return Err("this is not a portcullis state region (wrong magic); give another path, or remove the file".into());
    }
    if page[1] != VERSION {
        return Err(format!(
            "made by another version (format {}, this one writes {VERSION}); stop the gateways that use it and remove the file",
            page[1]
        ));
    }
    if page[2] != checksum(&page[3..]) || page[9] > SECTIONS_MAX as u64 {
        return Err("the header is damaged (checksum); stop the gateways that use it and remove the file".into());
    }
    Ok(())
}

/// A section as a header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSection {
    /// Its name.
    pub name: String,
    /// How many words of 64 bits.
    pub words: u64,
    /// What it was made for.
    pub facts: Vec<(String, u64)>,
}

impl FoundSection {
    /// The fact of that name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<u64> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// The sections of `page`, which [`check`] has passed, and the words of the whole region; for those who have no document to hold it against. Places
/// follow from the sizes, and must be those that stand there.
pub(super) fn found(page: &Page) -> Result<(Vec<FoundSection>, u64), String> {
    let damaged = || "the header contradicts itself; stop the gateways that use it and remove the file".to_owned();
    let mut sections = Vec::new();
    let mut first = PAGE_WORDS as u64;
    for entry in page[SECTIONS..].chunks_exact(ENTRY).take(usize::try_from(page[9]).unwrap_or(0)) {
        let facts = entry[5..].chunks_exact(3).take(usize::try_from(entry[4]).unwrap_or(0).min(FACTS_MAX));
        if entry[2] != first || entry[3] > 1 << 44 || entry[4] > FACTS_MAX as u64 {
            return Err(damaged());
        }
        sections.push(FoundSection {
            name: name_text(&entry[..2]),
            words: entry[3],
            facts: facts.map(|fact| (name_text(&fact[..2]), fact[2])).collect(),
        });
        first += entry[3].next_multiple_of(PAGE_WORDS as u64);
    }
    if page[8] != first || first > 1 << 44 || sections.len() as u64 != page[9] {
        return Err(damaged());
    }
    Ok((sections, first))
}

/// The header of a region with the same birth, keys and sections, of which some are made for another number.
pub(super) fn resized(page: &Page, changes: &[Resize]) -> Page {
    let mut page = *page;
    let mut first = PAGE_WORDS as u64;
    let count = usize::try_from(page[9]).unwrap_or(0);
    for entry in page[SECTIONS..].chunks_exact_mut(ENTRY).take(count) {
        let name = name_text(&entry[..2]);
        for change in changes.iter().filter(|change| change.section == name) {
            entry[3] = change.words;
            for fact in entry[5..].chunks_exact_mut(3).filter(|fact| name_text(&fact[..2]) == change.fact) {
                fact[2] = change.value;
            }
        }
        entry[2] = first;
        first += entry[3].next_multiple_of(PAGE_WORDS as u64);
    }
    page[8] = first;
    page[2] = checksum(&page[3..]);
    page
}

/// Another size for a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resize {
    /// The section.
    pub section: &'static str,
    /// How many words.
    pub words: u64,
    /// The number that it is made for, by name, …
    pub fact: &'static str,
    /// … and the number.
    pub value: u64,
}

/// What everybody reads, and the facts that its creator chose.
pub(super) fn facts(page: &Page) -> Facts {
    let keys = |at: usize| {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&page[at].to_le_bytes());
        key[8..].copy_from_slice(&page[at + 1].to_le_bytes());
        key
    };
    let mut facts = Facts { birth: page[3].cast_signed(), keys: [keys(4), keys(6)], chosen: Vec::new() };
    for entry in page[SECTIONS..].chunks_exact(ENTRY).take(usize::try_from(page[9]).unwrap_or(0)) {
        for fact in entry[5..].chunks_exact(3).take(FACTS_MAX).filter(|fact| fact[0] & 0x80 != 0) {
            facts.chosen.push((name_text(&entry[..2]), name_text(&fact[..2]), fact[2]));
        }
    }
    facts
}

/// Holds `page`, which [`check`] has passed, against what `spec` asks for.
pub(super) fn agree(page: &Page, spec: &RegionSpec, total: u64) -> Result<Facts, String> {
    let expected = make(spec, total, [[0; 16]; 2]);
    let remedy = "use `portcullis state migrate OLD NEW` (`portcullis state migrate --help`), or stop the gateways that use it and remove the file";
    if page[9] != expected[9] {
        return Err(format!("made with {} sections, {} are asked for; {remedy}", page[9], expected[9]));
    }
    let found = page[SECTIONS..].chunks(ENTRY);
    for (found, wanted) in found.zip(expected[SECTIONS..].chunks(ENTRY)).take(spec.sections.len()) {
        let section = name_text(&wanted[..2]);
        if found[..2] != wanted[..2] {
            return Err(format!("section `{}` stands where `{section}` is expected; {remedy}", name_text(&found[..2])));
        }
        if found[4] != wanted[4] {
            return Err(format!("section `{section}` was made with other settings; {remedy}"));
        }
        for (found, wanted) in found[5..].chunks_exact(3).zip(wanted[5..].chunks_exact(3)).take(FACTS_MAX) {
            let name = name_text(&wanted[..2]);
            if found[..2] != wanted[..2] {
                return Err(format!(
                    "section `{section}` was made with other settings ({}); {remedy}",
                    name_text(&found[..2])
                ));
            }
            if wanted[0] & 0x80 == 0 && found[2] != wanted[2] {
                return Err(format!("made for {name} = {}, {name} = {} is asked for; {remedy}", found[2], wanted[2]));
            }
        }
        if found[2..4] != wanted[2..4] {
            return Err(format!("section `{section}` has another place or size; {remedy}"));
        }
    }
    if page[8] != total {
        return Err(format!("made with another size; {remedy}"));
    }
    Ok(facts(page))
}
