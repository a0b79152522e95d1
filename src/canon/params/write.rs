//! The string to sign, written in one pass over the sorted parameters.

use crate::request::{Kind, View};

use super::super::names::Role;
use super::{Encode, Nested, NullText, Program};

impl Program {
    /// What stands behind the `=` of a parameter, before encoding; `None` where the parameter is left out.
    #[inline]
    fn text<'s>(&self, view: &View<'s>, at: u32) -> Option<&'s [u8]> {
        let at = at as usize;
        let text = match view.kind(at) {
            Kind::Text | Kind::Number | Kind::Bool => view.value(at),
            Kind::Null if self.values.null == NullText::Text => b"null",
            Kind::Null => &[],
            Kind::Object | Kind::Array if self.values.nested == Nested::Drop => return None,
            Kind::Object | Kind::Array => view.raw(at),
        };
        if text.is_empty() && self.values.drop_empty { None } else { Some(text) }
    }

    /// Appends `name=value&name=value…` to `out`, without the parameters at the indices `signature` and `sign_type`.
    pub(in crate::canon) fn write(&self, view: &View<'_>, signature: u32, sign_type: u32, out: &mut Vec<u8>) {
        let encoder = self.encoder;
        match self.encode {
            Encode::Off => {
                let plain = |text: &[u8], out: &mut Vec<u8>| out.extend_from_slice(text);
                self.join(view, [signature, sign_type], b"&", b"=", plain, plain, out);
            }
            Encode::Values => {
                let plain = |text: &[u8], out: &mut Vec<u8>| out.extend_from_slice(text);
                self.join(view, [signature, sign_type], b"&", b"=", plain, |text, out| encoder.append(text, out), out);
            }
            // Encoding the joined string is encoding its pieces: the encoder looks at one byte at a time.
            Encode::String | Encode::Whole => {
                let encode = |text: &[u8], out: &mut Vec<u8>| encoder.append(text, out);
                self.join(view, [signature, sign_type], b"%26", b"%3D", encode, encode, out);
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn join(
        &self,
        view: &View<'_>,
        left_out: [u32; 2],
        and: &[u8],
        is: &[u8],
        put_name: impl Fn(&[u8], &mut Vec<u8>),
        put_value: impl Fn(&[u8], &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let exclude = !self.excluded.is_empty();
        let mut first = true;
        for &at in view.sorted() {
            if left_out.contains(&at) {
                continue;
            }
            let name = view.name(at as usize);
            if exclude && self.names.role(name) == Some(Role::Excluded) {
                continue;
            }
            let Some(text) = self.text(view, at) else { continue };
            if !first {
                out.extend_from_slice(and);
            }
            first = false;
            put_name(name, out);
            out.extend_from_slice(is);
            put_value(text, out);
        }
    }
}
