//! Input, line by line.

use crate::Failure;
use bytes::{Buf, BytesMut};
use std::io::{self, Read};
use std::path::PathBuf;

/// A line, without its end. Lines that are read together share one allocation, which is used again when the last of them is gone.
pub struct NumberedLine {
    /// What it says; JSON is parsed in place.
    pub text: BytesMut,
    /// Its number, from 1.
    pub number: u64,
    /// Whether `text` is all of it: of a line longer than 64 MiB it is nothing.
    pub whole: bool,
}

impl NumberedLine {
    /// Whether nothing is in it.
    pub fn is_blank(&self) -> bool {
        self.whole && self.text.iter().all(u8::is_ascii_whitespace)
    }
}

/// The lines of a file, or of standard input for `-`.
pub struct Lines {
    reader: Box<dyn Read + Send>,
    /// Bytes in the whole file, where that is known.
    pub total: Option<u64>,
    number: u64,
    buffer: BytesMut,
    /// How many bytes at the buffer's start are known to have no line end in them.
    searched: usize,
    ended: bool,
}

/// Longest line taken; a body of 16 MiB fits, escaped.
const LINE_MAX: usize = 64 << 20;
/// Bytes that are asked for at once.
const CHUNK: usize = 1 << 18;

impl Lines {
    pub fn open(path: Option<&PathBuf>) -> Result<Self, Failure> {
        let (reader, total): (Box<dyn Read + Send>, _) = match path {
            Some(path) if path.as_os_str() != "-" => {
                let file = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
                let total = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
                (Box::new(file), total)
            }
            _ => (Box::new(io::stdin()), None),
        };
        Ok(Self::new(reader, total))
    }

    fn new(reader: Box<dyn Read + Send>, total: Option<u64>) -> Self {
        Self { reader, total, number: 0, buffer: BytesMut::new(), searched: 0, ended: false }
    }

    /// The next line; `None` at the end of the input.
    pub fn next(&mut self) -> io::Result<Option<NumberedLine>> {
        let mut whole = true;
        loop {
            let new = self.buffer.get(self.searched..).unwrap_or_default();
            let end = memchr::memchr(b'\n', new).map(|at| self.searched + at);
            if end.is_none() && !self.ended {
                self.searched = self.buffer.len();
                if self.searched >= LINE_MAX {
                    // Too long: what there is of it goes.
                    whole = false;
                }
                if !whole {
                    self.buffer.clear();
                    self.searched = 0;
                }
                self.read()?;
                continue;
            }
            self.searched = 0;
            let mut text = self.buffer.split_to(end.unwrap_or(self.buffer.len()));
            if end.is_some() {
                self.buffer.advance(1);
            } else if text.is_empty() && whole {
                return Ok(None);
            }
            if !whole || text.len() > LINE_MAX {
                whole = false;
                text.clear();
            } else if text.ends_with(b"\r") {
                text.truncate(text.len() - 1);
            }
            self.number += 1;
            return Ok(Some(NumberedLine { text, number: self.number, whole }));
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let start = self.buffer.len();
        self.buffer.resize(start + CHUNK, 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[start..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(start + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out its text in pieces of a size.
    struct Drip(Vec<u8>, usize, usize);

    impl Read for Drip {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let from = &self.0[self.1.min(self.0.len())..];
            let count = from.len().min(to.len()).min(self.2);
            to[..count].copy_from_slice(&from[..count]);
            self.1 += count;
            Ok(count)
        }
    }

    fn lines(text: &[u8], piece: usize) -> Vec<(Vec<u8>, u64, bool)> {
        let mut lines = Lines::new(Box::new(Drip(text.to_vec(), 0, piece)), None);
        let next = || lines.next().unwrap().map(|line| (line.text.to_vec(), line.number, line.whole));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn lines_are_the_same_however_the_input_comes() {
        for piece in [1, 2, 3, 7, usize::MAX] {
            for (text, expected) in [
                ("", vec![]),
                ("\n", vec![""]),
                ("a", vec!["a"]),
                ("a\n", vec!["a"]),
                ("a\r\nb", vec!["a", "b"]),
                ("\n\na\n\n", vec!["", "", "a", ""]),
                ("one\ntwo\rthree\n\r\n", vec!["one", "two\rthree", ""]),
            ] {
                let found = lines(text.as_bytes(), piece);
                let texts: Vec<&[u8]> = found.iter().map(|line| line.0.as_slice()).collect();
                assert_eq!(texts, expected.iter().map(|line| line.as_bytes()).collect::<Vec<_>>(), "{text:?} {piece}");
                assert!(found.iter().zip(1..).all(|(line, number)| line.1 == number && line.2));
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_counted() {
        let long = vec![b'x'; LINE_MAX + 1];
        let text = [b"a\n", long.as_slice(), b"\nb\n", &long].concat();
        let found = lines(&text, usize::MAX);
        let short: Vec<_> = found.iter().map(|line| (line.0.len(), line.1, line.2)).collect();
        assert_eq!(short, [(1, 1, true), (0, 2, false), (1, 3, true), (0, 4, false)]);
    }
}
