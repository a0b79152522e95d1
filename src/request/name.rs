//! Names of headers, compared without case.

/// Eight times that byte.
const fn splat(byte: u8) -> u64 {
    u64::MAX / 0xFF * byte as u64
}

/// Eight bytes with ASCII letters in lower case.
///
/// Of each byte's low seven bits `+ (0x80 - 'A')` sets the top bit from `A` on, `+ (0x7F - 'Z')` behind `Z`; both sums stay below 0x100, so
/// that nothing is carried into the next byte. Bytes of 0x80 or above are no letters. The case bit is the top one, two places down.
#[inline(always)]
fn lower(eight: u64) -> u64 {
    let seven = eight & splat(0x7F);
    let (from, behind) = (seven + splat(0x80 - b'A'), seven + splat(0x7F - b'Z'));
    eight | (from & !behind & !eight & splat(0x80)) >> 2
}

/// The same of up to eight bytes.
#[inline(always)]
fn short(text: &[u8]) -> u64 {
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        // What both have is there twice.
        (Some(first), Some(last)) => u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32,
        _ => text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Whether two names are the same but for the case of ASCII letters (RFC 9110, 5.1), as [`<[u8]>::eq_ignore_ascii_case`] has it: eight bytes
/// at a time, since names of one length are mostly the same name.
#[inline]
pub(crate) fn same_name(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(last_a), Some(last_b)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return lower(short(a)) == lower(short(b));
    };
    let differ = |a: &[u8; 8], b: &[u8; 8]| lower(u64::from_le_bytes(*a)) ^ lower(u64::from_le_bytes(*b));
    let eights = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    eights.fold(differ(last_a, last_b), |all, (a, b)| all | differ(a, b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_standard_library_has_it() {
        let name: Vec<u8> = b"X-Amz-Content-Sha256[@`{z-]".to_vec();
        for length in 0..=name.len() {
            let name = &name[..length];
            assert!(same_name(name, &name.to_ascii_uppercase()) && same_name(&name.to_ascii_lowercase(), name));
            assert!(!same_name(name, &[name, b"x"].concat()));
            for at in 0..length {
                let mut other = name.to_vec();
                for byte in 0..=255 {
                    other[at] = byte;
                    assert_eq!(
                        same_name(name, &other),
                        name.eq_ignore_ascii_case(&other),
                        "{:?}",
                        other.escape_ascii()
                    );
                }
            }
        }
        // Every two bytes, in a long name and a short one.
        for (a, b) in (0..=255u8).flat_map(|a| (0..=255u8).map(move |b| (a, b))) {
            let same = a.eq_ignore_ascii_case(&b);
            assert_eq!(same_name(&[a, b'-'], &[b, b'-']), same, "{a} {b}");
            assert_eq!(same_name(&[&[a][..], b"-content-type"].concat(), &[&[b][..], b"-content-type"].concat()), same);
        }
    }
}
