//! Errors of setting up: a bad document, key or region. Never the outcome of a request: those are [`crate::verdict::Reason`].

use std::fmt;

/// What went wrong while setting up, told so that an operator can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration document: a JSON pointer and what was expected there.
    #[error("{0}")]
    Document(DocumentError),
    /// A key or certificate outside a document.
    #[error("key: {0}")]
    Key(String),
    /// The shared region.
    #[error("state region {path}: {message}")]
    Region {
        /// The file of the region.
        path: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// An operating system call.
    #[error("{doing}: {message}")]
    Os {
        /// What was being done.
        doing: String,
        /// The system's word.
        message: String,
    },
}

/// A place in a JSON document and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// RFC 6901 pointer; empty for the whole document.
    pub pointer: String,
    /// What was found, what was expected. Never holds a secret's value.
    pub message: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{at}: {}", self.message)
    }
}

impl From<DocumentError> for Error {
    fn from(e: DocumentError) -> Self {
        Self::Document(e)
    }
}
