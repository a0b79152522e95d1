//! Where a text stops being JSON, told for people. simd-json says that a text is broken, fast, but not always where; a configuration
//! document is written by hand, and its commonest mistake is a comma. This walk over the grammar of RFC 8259 runs on broken documents
//! only, and is held against simd-json in its tests.

/// A place in a text that is no JSON, and what is wrong there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, without any of the text.
    pub message: &'static str,
}

/// Finds the first fault of `text`; `None` where it is JSON. Depth is not bounded: the walk keeps one byte for each level and does not
/// recurse.
#[must_use]
pub fn find(text: &str) -> Option<Fault> {
    let mut walk = Walk { text: text.as_bytes(), at: 0 };
    let message = walk.document().err()?;
    let before = text.get(..walk.at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Some(Fault {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        message,
    })
}

struct Walk<'t> {
    text: &'t [u8],
    /// Where the walk is; where it failed, once it has.
    at: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Array,
    Object,
}

type Step = Result<(), &'static str>;

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Step {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            return Err("a byte order mark before the document; expected none");
        }
        let mut levels: Vec<Inside> = Vec::new();
        loop {
            self.blank();
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    self.blank();
                    if self.peek() != Some(b'}') {
                        self.name()?;
                        levels.push(Inside::Object);
                        continue;
                    }
                    self.at += 1;
                }
                Some(b'[') => {
                    self.at += 1;
                    self.blank();
                    if self.peek() != Some(b']') {
                        levels.push(Inside::Array);
                        continue;
                    }
                    self.at += 1;
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                None => return Err("the text ends here; expected a value"),
                Some(_) => return Err("expected a value"),
            }
            if self.after_value(&mut levels)? {
                return Ok(());
            }
        }
    }

    /// What follows a value, up to the next value; `true` at the end of the document.
    fn after_value(&mut self, levels: &mut Vec<Inside>) -> Result<bool, &'static str> {
        loop {
            self.blank();
            match (levels.last(), self.peek()) {
                (None, None) => return Ok(true),
                (None, Some(_)) => return Err("expected nothing more: the document ended before"),
                (Some(_), None) => return Err("the text ends here; a bracket is not closed"),
                (Some(Inside::Array), Some(b']')) | (Some(Inside::Object), Some(b'}')) => {
                    self.at += 1;
                    levels.pop();
                }
                (Some(inside), Some(b',')) => {
                    let inside = *inside;
                    self.at += 1;
                    self.blank();
                    return match (inside, self.peek()) {
                        (Inside::Array, Some(b']')) => Err("no value after the comma"),
                        (Inside::Object, Some(b'}')) => Err("no member after the comma"),
                        (Inside::Object, _) => self.name().map(|()| false),
                        (Inside::Array, _) => Ok(false),
                    };
                }
                (Some(Inside::Array), Some(_)) => return Err("expected , or ]"),
                (Some(Inside::Object), Some(_)) => return Err("expected , or }"),
            }
        }
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Step {
        match self.peek() {
            Some(b'"') => self.string()?,
            None => return Err("the text ends here; expected the name of a member"),
            Some(_) => return Err("expected the name of a member, in double quotes"),
        }
        self.blank();
        if self.peek() != Some(b':') {
            return Err("expected :");
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Step {
        let found = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        if !found {
            return Err("expected a value; words are true, false and null");
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Step {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err("expected a digit");
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Step {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return Err("a number that begins with 0; expected none, or a string");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// The four digits of a `\u` escape.
    fn unit(&mut self) -> Result<u16, &'static str> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|four| std::str::from_utf8(four).ok());
        let unit = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).map(|d| u16::from_str_radix(d, 16));
        let Some(Ok(unit)) = unit else { return Err("expected four hexadecimal digits after \\u") };
        self.at += 4;
        Ok(unit)
    }

    fn string(&mut self) -> Step {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => {
                    return Err("a line break or control character within a string; expected \\n or \\u00..");
                }
                Some(_) => self.at += 1,
                None => {
                    // The end of the text says nothing about where a quote is missing; its beginning does.
                    self.at = start;
                    return Err("a string that does not end");
                }
            }
        }
    }

    fn escape(&mut self) -> Step {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                let pair = match self.unit()? {
                    0xd800..=0xdbff if self.text.get(self.at..self.at + 2) == Some(b"\\u") => {
                        self.at += 2;
                        matches!(self.unit()?, 0xdc00..=0xdfff)
                    }
                    unit => !matches!(unit, 0xd800..=0xdfff),
                };
                if !pair {
                    self.at = start;
                    return Err("half a surrogate pair");
                }
            }
            _ => {
                self.at = start;
                return Err("an unknown escape; expected \\\\ for a backslash");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[rustfmt::skip]
    fn mistakes_are_told_where_they_are() {
        for (text, line, column, message) in [
            ("", 1, 1, "ends here; expected a value"),
            ("{\n  \"a\": 1,\n}", 3, 1, "no member after the comma"),
            ("[1, 2,\n]", 2, 1, "no value after the comma"),
            ("{\"a\": 1\n \"b\": 2}", 2, 2, "expected , or }"),
            ("[1 2]", 1, 4, "expected , or ]"),
            ("{\"付款\" 1}", 1, 7, "expected :"),
            ("{a: 1}", 1, 2, "in double quotes"),
            ("{'a': 1}", 1, 2, "in double quotes"),
            ("{\"a\": 'b'}", 1, 7, "expected a value"),
            ("{\"a\": tru}", 1, 7, "true, false and null"),
            ("{\"a\": 007}", 1, 8, "begins with 0"),
            ("{\"a\": 1.}", 1, 9, "expected a digit"),
            ("{\"a\": -}", 1, 8, "expected a digit"),
            ("{\"a\": +1}", 1, 7, "expected a value"),
            ("{\"a\": 1} // end", 1, 10, "nothing more"),
            ("{\"a\": \"x\n\"}", 1, 9, "control character"),
            ("{\"a\": \"x}\n", 1, 10, "control character"),
            ("{\"a\": \"x}", 1, 7, "does not end"),
            ("{\"a\": \"\\x\"}", 1, 8, "unknown escape"),
            ("{\"a\": \"\\u12g4\"}", 1, 10, "four hexadecimal"),
            ("{\"a\": \"\\ud800\"}", 1, 8, "surrogate"),
            ("{\"a\": \"\\udc00\\ud800\"}", 1, 8, "surrogate"),
            ("{\"a\": [1, 2", 1, 12, "not closed"),
            ("{\"a\"", 1, 5, "expected :"),
            ("{", 1, 2, "name of a member"),
            ("\u{feff}{}", 1, 1, "byte order mark"),
            ("{}\0", 1, 3, "nothing more"),
        ] {
            let fault = find(text).unwrap_or_else(|| panic!("{text:?} has no fault"));
            assert_eq!((fault.line, fault.column), (line, column), "{text:?}: {}", fault.message);
            assert!(fault.message.contains(message), "{text:?}: {}", fault.message);
        }
        for text in ["0", " [ ] ", "{}", "\"\\ud83d\\ude00\\/\"", "[-0.5e+7,null,true,false,{\"a\":{}}]"] {
            assert_eq!(find(text), None, "{text:?}");
        }
        assert_eq!(find(&"[".repeat(1_000_000)).unwrap().message, "the text ends here; expected a value");
    }

    /// Pieces that make JSON or nearly.
    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\\", "\\u00e9", "\\ud83d", "\\ude00", "\\n", "1", "-", "0",
            ".5", "e9", "E+", " ", "\n", "true", "null", "nul", "\"\\\"\"", "\u{1}", "é", "\"b\":", "\"c\":1,",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn agrees_with_simd_json(pieces in prop::collection::vec(piece(), 0..12)) {
            let text = pieces.concat();
            let mut copy = text.clone().into_bytes();
            let fault = find(&text);
            match simd_json::to_tape(&mut copy) {
                Ok(_) => prop_assert_eq!(fault, None, "{:?}", text),
                // Numbers that are too large for it are JSON all the same.
                Err(e) => prop_assert!(fault.is_some() || matches!(e.error(), simd_json::ErrorType::InvalidNumber), "{:?}: {}", text, e),
            }
        }
    }
}
