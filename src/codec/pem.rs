//! PEM (RFC 7468): a label and DER in base64 lines.
//!
//! Line breaks inside the base64 may be anywhere (platforms hand out keys as one long line between the markers), any text before the first
//! marker is skipped, and nothing but white space may follow the last one. The base64 itself is strict. Header lines (`Proc-Type:` …), the
//! sign of an old encrypted key, are refused.

use zeroize::{Zeroize, Zeroizing};

use super::base64::{self, Variant};

/// One block: what it says it is, and its bytes (wiped on drop, for it may be a private key).
pub struct Block<'a> {
    /// The label, such as `PUBLIC KEY`.
    pub label: &'a str,
    /// The DER.
    pub der: Zeroizing<Vec<u8>>,
}

/// Why a text is not PEM.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PemError {
    /// No `-----BEGIN …-----`.
    #[error("no `-----BEGIN …-----` line")]
    NoBegin,
    /// A begin without its end.
    #[error("no `-----END …-----` line with the label of the BEGIN line")]
    NoEnd,
    /// What stands between the markers is not base64.
    #[error("the text between the BEGIN and END lines is not base64")]
    NotBase64,
    /// More than white space after the end.
    #[error("text after the `-----END …-----` line")]
    Trailing,
}

/// Reads the first block and returns it with the text after it.
///
/// # Errors
/// As [`PemError`], all but `Trailing`.
pub fn first(text: &str) -> Result<(Block<'_>, &str), PemError> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    const DASHES: &str = "-----";
    let (_, after) = text.split_once(BEGIN).ok_or(PemError::NoBegin)?;
    let (label, after) = after.split_once(DASHES).ok_or(PemError::NoBegin)?;
    if label.bytes().any(|b| b.is_ascii_control()) {
        return Err(PemError::NoBegin);
    }
    let (body, after) = after.split_once(END).ok_or(PemError::NoEnd)?;
    let rest = after.strip_prefix(label).and_then(|a| a.strip_prefix(DASHES)).ok_or(PemError::NoEnd)?;
    let mut packed: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(body.len()));
    packed.extend(body.bytes().filter(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')));
    // Decoded in the buffer of its final size: no copy of a secret is left behind in freed memory.
    let mut der = Zeroizing::new(vec![0; base64::decoded_len(packed.len())]);
    let len = base64::decode(Variant::Standard, &packed, &mut der).map_err(|_| PemError::NotBase64)?.len();
    if len == 0 {
        return Err(PemError::NotBase64);
    }
    der.get_mut(len..).unwrap_or_default().zeroize();
    der.truncate(len);
    Ok((Block { label, der }, rest))
}

/// Reads a text that holds exactly one block.
///
/// # Errors
/// As [`PemError`].
pub fn only(text: &str) -> Result<Block<'_>, PemError> {
    let (block, rest) = first(text)?;
    if rest.trim_ascii().is_empty() { Ok(block) } else { Err(PemError::Trailing) }
}

/// Writes a block with lines of 64 characters.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let text = Zeroizing::new(base64::to_string(Variant::Standard, der));
    let mut out = String::with_capacity(text.len() + text.len() / 64 + 2 * label.len() + 64);
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> PemError {
        only(text).map(|b| b.der.len()).unwrap_err()
    }

    #[test]
    fn goes_round_whatever_the_line_breaks() {
        let der: Vec<u8> = (0..=200).collect();
        let text = encode("PUBLIC KEY", &der);
        assert!(text.lines().all(|l| l.len() <= 64));
        for text in [
            text.clone(),
            text.replace('\n', "\r\n"),
            text.replace("KEY-----\n", "KEY-----").replace('\n', ""),
            format!("Bag Attributes\n{text}\n\n"),
        ] {
            let block = only(&text).unwrap();
            assert_eq!(block.label, "PUBLIC KEY");
            assert_eq!(*block.der, der);
        }
    }

    #[test]
    fn broken_texts_are_told_apart() {
        let good = encode("PUBLIC KEY", b"some bytes");
        assert_eq!(why(""), PemError::NoBegin);
        assert_eq!(why("MIIBIjANBg"), PemError::NoBegin);
        assert_eq!(why("-----BEGIN PUBLIC\nKEY-----"), PemError::NoBegin);
        assert_eq!(why(&good.replace("END PUBLIC", "END PRIVATE")), PemError::NoEnd);
        assert_eq!(why(good.split("-----END").next().unwrap()), PemError::NoEnd);
        assert_eq!(why(&good.replace("==", "=")), PemError::NotBase64);
        assert_eq!(why(&good.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n\n")), PemError::NotBase64);
        assert_eq!(why("-----BEGIN A-----\n-----END A-----"), PemError::NotBase64);
        assert_eq!(why(&format!("{good}x")), PemError::Trailing);
        assert_eq!(why(&format!("{good}{good}")), PemError::Trailing);
        assert_eq!(first(&format!("{good}{good}")).unwrap().1, format!("\n{good}"));
    }
}
