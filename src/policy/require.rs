//! Expressions over what stands behind a request: `secret AND peer_certificate` (JR/T 0185-2020, 7.2.1a1: "or a combination").
//!
//! ```text
//! expression = term *( "OR" term )      term = factor *( "AND" factor )      factor = word / "(" expression ")"
//! word       = "secret" / "key_pair" / "certificate" / "peer_certificate"
//! ```
//! Four words have sixteen combinations, so an expression compiles to its truth table: one bit each.

/// What stands behind a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Behind {
    /// Its signature was made with a shared secret.
    pub secret: bool,
    /// Its signature was made with a private key.
    pub key_pair: bool,
    /// The key of its signature came as a certificate.
    pub certificate: bool,
    /// Its connection was made with a certificate that the app has registered.
    pub peer_certificate: bool,
}

impl Behind {
    fn row(self) -> u32 {
        u32::from(self.secret)
            | u32::from(self.key_pair) << 1
            | u32::from(self.certificate) << 2
            | u32::from(self.peer_certificate) << 3
    }

    fn of_row(row: u32) -> Self {
        let bit = |at: u32| row >> at & 1 == 1;
        Self { secret: bit(0), key_pair: bit(1), certificate: bit(2), peer_certificate: bit(3) }
    }

    /// Whether there is such a request: it has one signature, by a secret or by a key pair, and a certificate has a key pair.
    fn is_possible(self) -> bool {
        self.secret != self.key_pair && (!self.certificate || self.key_pair)
    }
}

/// A compiled expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Require(u16);

/// What is wrong with an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequireError {
    /// Not of the grammar.
    #[error("expected secret, key_pair, certificate and peer_certificate, joined by AND and OR, with parentheses")]
    Grammar,
    /// Nothing can meet it: a request has one signature.
    #[error("no request can meet this: it has one signature, by a secret or by a key pair")]
    Impossible,
}

/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 16;

struct Walk<'t> {
    words: Vec<&'t str>,
    at: usize,
}

impl<'t> Walk<'t> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    fn expression(&mut self, depth: usize) -> Option<u16> {
        let mut table = self.term(depth)?;
        while self.take("OR") {
            table |= self.term(depth)?;
        }
        Some(table)
    }

    fn term(&mut self, depth: usize) -> Option<u16> {
        let mut table = self.factor(depth)?;
        while self.take("AND") {
            table &= self.factor(depth)?;
        }
        Some(table)
    }

    fn factor(&mut self, depth: usize) -> Option<u16> {
        if self.take("(") {
            let table = if depth < DEPTH_MAX { self.expression(depth + 1)? } else { return None };
            return self.take(")").then_some(table);
        }
        let word: &'t str = self.words.get(self.at)?;
        self.at += 1;
        let holds: fn(Behind) -> bool = match word {
            "secret" => |behind| behind.secret,
            "key_pair" => |behind| behind.key_pair,
            "certificate" => |behind| behind.certificate,
            "peer_certificate" => |behind| behind.peer_certificate,
            _ => return None,
        };
        Some((0..16).filter(|row| holds(Behind::of_row(*row))).fold(0, |table, row| table | 1 << row))
    }
}

impl Require {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is none, or no request can meet it.
    pub fn parse(text: &str) -> Result<Self, RequireError> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let mut walk = Walk { words: spaced.split_ascii_whitespace().collect(), at: 0 };
        let table = walk.expression(0).filter(|_| walk.at == walk.words.len()).ok_or(RequireError::Grammar)?;
        let possible = (0..16).any(|row| table >> row & 1 == 1 && Behind::of_row(row).is_possible());
        if possible { Ok(Self(table)) } else { Err(RequireError::Impossible) }
    }

    /// Whether `behind` meets it.
    #[must_use]
    pub fn is_met(self, behind: Behind) -> bool {
        self.0 >> behind.row() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_its_truth_table() {
        let met = |text: &str, secret, key_pair, certificate, peer_certificate| {
            Require::parse(text).unwrap().is_met(Behind { secret, key_pair, certificate, peer_certificate })
        };
        assert!(met("secret AND peer_certificate", true, false, false, true));
        assert!(!met("secret AND peer_certificate", true, false, false, false));
        assert!(met("secret AND peer_certificate OR certificate", false, true, true, false), "AND binds closer");
        assert!(!met("secret AND (peer_certificate OR certificate)", false, true, true, false));
        assert!(met("((key_pair))", false, true, false, false));
        for text in
            ["", "secret AND", "AND secret", "secret secret", "(secret", "secret)", "Secret", "secret & key_pair"]
        {
            assert_eq!(Require::parse(text), Err(RequireError::Grammar), "{text}");
        }
        let deep = "(".repeat(17) + "secret" + &")".repeat(17);
        assert_eq!(Require::parse(&deep), Err(RequireError::Grammar));
        for text in ["secret AND key_pair", "secret AND certificate"] {
            assert_eq!(Require::parse(text), Err(RequireError::Impossible), "{text}");
        }
    }
}
