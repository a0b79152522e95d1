//! What every entry of the ABI shares: the guard against panics, the caller's slices, and texts into the caller's buffers.

use super::types::*;
use crate::error::Error;
use crate::time::Millis;
use portcullis_result::*;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `call` with panics turned into a result.
pub(super) fn guard(call: impl FnOnce() -> Result<(), portcullis_result>) -> portcullis_result {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => PORTCULLIS_OK,
        Ok(Err(result)) => result,
        Err(_) => PORTCULLIS_INTERNAL,
    }
}

impl portcullis_slice {
    /// The bytes.
    ///
    /// # Safety
    /// Where `len` is not 0 and `ptr` not NULL, they describe readable memory that stays as it is for `'a`.
    pub(super) unsafe fn bytes<'a>(self) -> Result<&'a [u8], portcullis_result> {
        if self.len == 0 {
            return Ok(&[]);
        }
        if self.ptr.is_null() {
            return Err(PORTCULLIS_NULL);
        }
        if self.len > isize::MAX as usize {
            return Err(PORTCULLIS_BAD_ARGUMENT);
        }
        // SAFETY: not NULL, length within what a slice may have (both checked), memory promised by the caller (this function's contract).
        Ok(unsafe { std::slice::from_raw_parts(self.ptr, self.len) })
    }
}

/// Writes `text` and a NUL into the caller's buffer of `len` bytes, cut short where it is too small.
///
/// # Safety
/// `buffer` is NULL, or points to `len` writable bytes.
pub(super) unsafe fn write_message(buffer: *mut c_char, len: usize, text: &str) {
    if buffer.is_null() || len == 0 {
        return;
    }
    let mut count = text.len().min(len - 1);
    while !text.is_char_boundary(count) {
        count -= 1;
    }
    // SAFETY: `count < len`, the caller promises `len` writable bytes, and `text` is ours.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), count);
        *buffer.add(count) = 0;
    }
}

pub(super) fn result_of(error: &Error) -> portcullis_result {
    match error {
        Error::Region { .. } | Error::Os { .. } => PORTCULLIS_BAD_STATE,
        _ => PORTCULLIS_BAD_CONFIG,
    }
}

impl portcullis_slice {
    /// The bytes as text.
    ///
    /// # Safety
    /// As [`portcullis_slice::bytes`].
    pub(super) unsafe fn text<'a>(self) -> Result<&'a str, portcullis_result> {
        // SAFETY: this function's contract.
        std::str::from_utf8(unsafe { self.bytes() }?).map_err(|_| PORTCULLIS_BAD_ARGUMENT)
    }

    /// The bytes as text; nothing where there are none.
    ///
    /// # Safety
    /// As [`portcullis_slice::bytes`].
    pub(super) unsafe fn optional<'a>(self) -> Result<Option<&'a str>, portcullis_result> {
        // SAFETY: this function's contract.
        Ok(Some(unsafe { self.text() }?).filter(|text| !text.is_empty()))
    }
}

/// Turns an error into a result, and its text into the caller's message.
///
/// # Safety
/// `message` is NULL, or points to `len` writable bytes.
pub(super) unsafe fn told<T>(
    outcome: Result<T, Error>,
    message: *mut c_char,
    len: usize,
) -> Result<T, portcullis_result> {
    outcome.map_err(|error| {
        // SAFETY: this function's contract.
        unsafe { write_message(message, len, &error.to_string()) };
        result_of(&error)
    })
}

/// Writes `bytes` and a NUL into the caller's buffer, and how many they are (without the NUL) to `*length`; where the buffer is too small
/// nothing but `*length` is written.
///
/// # Safety
/// `buffer` is NULL, or points to `len` writable bytes; `length` is NULL or points to writable memory.
pub(super) unsafe fn give(
    bytes: &[u8],
    buffer: *mut c_char,
    len: usize,
    length: *mut usize,
) -> Result<(), portcullis_result> {
    // SAFETY: NULL is checked by `as_mut`; else writable (this function's contract).
    if let Some(length) = unsafe { length.as_mut() } {
        *length = bytes.len();
    }
    if buffer.is_null() || len <= bytes.len() {
        return Err(PORTCULLIS_TOO_SMALL);
    }
    // SAFETY: not NULL and longer than `bytes` (checked), writable (this function's contract), and `bytes` is ours.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast::<u8>(), bytes.len());
        *buffer.add(bytes.len()) = 0;
    }
    Ok(())
}

/// Writes `value` where the caller wants it; nothing where it does not.
///
/// # Safety
/// `place` is NULL or points to writable memory.
pub(super) unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: not NULL (checked), writable (this function's contract).
        unsafe { place.write(value) };
    }
}

/// A struct of the caller's that begins with its size.
///
/// # Safety
/// `place` is NULL or points to a `T` whose first four bytes are its size as the caller knows it.
pub(super) unsafe fn sized<'a, T: Sized32>(place: *const T) -> Result<&'a T, portcullis_result> {
    if place.is_null() {
        return Err(PORTCULLIS_NULL);
    }
    // SAFETY: not NULL (checked), its size first (the trait), readable (this function's contract). Nothing behind the size is touched before the
    // caller's struct is known to be as large as ours.
    unsafe {
        if place.cast::<u32>().read() as usize != size_of::<T>() {
            return Err(PORTCULLIS_BAD_STRUCT_SIZE);
        }
        Ok(&*place)
    }
}

/// As [`sized`], to be written to.
///
/// # Safety
/// As [`sized`], writable.
pub(super) unsafe fn sized_mut<'a, T: Sized32>(place: *mut T) -> Result<&'a mut T, portcullis_result> {
    // SAFETY: this function's contract is that of `sized`; writable on top of it.
    unsafe {
        sized(place.cast_const())?;
        Ok(&mut *place)
    }
}

/// A moment as the ABI writes it: 0 and `PORTCULLIS_NOW` are now.
pub(super) fn moment(ms: i64) -> Option<Millis> {
    match ms {
        0 | PORTCULLIS_NOW => None,
        ms => Some(Millis(ms)),
    }
}

/// The wall clock.
pub(super) fn wall_clock() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
