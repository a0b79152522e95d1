//! Bounds on what a request may make us hold.

/// The greatest sizes that are taken; everything above is refused before it is worked on. Time and memory are linear in these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the request target. 16 KiB by default.
    pub target: usize,
    /// Header lines. 128 by default.
    pub headers: usize,
    /// Bytes of all header names and values together. 64 KiB by default.
    pub header_bytes: usize,
    /// Bytes of the body. 16 MiB by default; 4 GiB at most, whatever is said here.
    pub body: usize,
    /// Parameters, of the query and the body together. 1,000 by default.
    pub params: usize,
    /// JSON objects and arrays inside each other, the outermost one included. 64 by default.
    pub depth: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { target: 16 << 10, headers: 128, header_bytes: 64 << 10, body: 16 << 20, params: 1000, depth: 64 }
    }
}
