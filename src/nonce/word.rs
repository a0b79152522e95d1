//! One slot of the table, in one word.
//!
//! ```text
//!  63                                        21   20    19                    0
//! +--------------------------------------------+-----+------------------------+
//! | tag: 43 bits of the keyed hash, never zero | rel | generation mod 2^20    |
//! +--------------------------------------------+-----+------------------------+
//! ```
//!
//! A slot's life: `0` (never used) → an entry of some generation ⇄ the same entry with `rel` set → an entry of a later generation → …
//! The generation of a slot never falls. A word with tag 0 and a generation is a *blank*: what the sweep leaves where an entry was so old
//! that its 20 bits would soon be read as the future.

pub(super) const GENERATION_BITS: u32 = 20;
/// The generation.
pub(super) const GENERATION: u64 = (1 << GENERATION_BITS) - 1;
/// Set while the entry is given back: the next identical request may have it, once.
pub(super) const RELEASED: u64 = 1 << GENERATION_BITS;
const TAG_SHIFT: u32 = GENERATION_BITS + 1;
/// The tag.
pub(super) const TAG: u64 = u64::MAX << TAG_SHIFT;

/// The word of an entry. `hash` gives its upper 43 bits.
#[inline(always)]
pub(super) fn entry(hash: u64, generation: i64) -> u64 {
    let tag = (hash >> TAG_SHIFT).max(1);
    tag << TAG_SHIFT | (generation.cast_unsigned() & GENERATION)
}

/// A blank of the latest generation up to `generation` whose word is not zero.
#[inline]
pub(super) fn blank(generation: i64) -> u64 {
    match generation.cast_unsigned() & GENERATION {
        0 => GENERATION,
        word => word,
    }
}

/// How many generations `word` is ahead of `generation`: serial arithmetic (RFC 1982), from -2^19 to 2^19 - 1.
#[inline(always)]
pub(super) fn ahead(word: u64, generation: i64) -> i64 {
    let difference = word.wrapping_sub(generation.cast_unsigned()) << (64 - GENERATION_BITS);
    difference.cast_signed() >> (64 - GENERATION_BITS)
}

/// Whether two words are entries of the same tag, generation and release bit aside.
#[inline(always)]
pub(super) fn same_tag(a: u64, b: u64) -> bool {
    (a ^ b) >> TAG_SHIFT == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_parts_apart() {
        for hash in [0, 1, u64::MAX, 1 << 21, 0x1234_5678_9abc_def0] {
            for generation in [i64::MIN, -1, 0, 1, 1_048_575, 1_048_576, i64::MAX] {
                let word = entry(hash, generation);
                assert_ne!(word >> TAG_SHIFT, 0);
                assert_eq!(word & RELEASED, 0);
                assert_eq!(ahead(word, generation), 0);
                assert_eq!(ahead(word | RELEASED, generation.wrapping_sub(3)), 3);
                assert_eq!(ahead(word, generation.wrapping_add(7)), -7);
                assert!(same_tag(word, entry(hash, generation.wrapping_add(5)) | RELEASED));
            }
        }
        assert!(!same_tag(entry(1 << 21, 5), entry(2 << 21, 5)));
        assert_ne!(blank(0), 0);
        assert_eq!(ahead(blank(1 << 20), 1 << 20), -1);
        assert_eq!(ahead(blank((1 << 20) + 9), (1 << 20) + 9), 0);
    }
}
