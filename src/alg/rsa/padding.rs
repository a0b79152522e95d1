//! Digests and paddings, as far as RSA knows them.

/// The hash of the message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::alg) enum Digest {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// Its length.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The DER of DigestInfo up to the digest itself (RFC 8017, 9.2, note 1): SEQUENCE { SEQUENCE { OID, NULL }, OCTET STRING }.
    pub const fn info_prefix(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14],
            Self::Sha256 => &[
                0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
                0x04, 0x20,
            ],
            Self::Sha512 => &[
                0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00,
                0x04, 0x40,
            ],
        }
    }
}

/// The signature scheme around RSA (RFC 8017, 8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::alg) enum Padding {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1(Digest),
    /// RSASSA-PSS, MGF1 over the same hash, salt as long as the digest.
    Pss(Digest),
}

impl Padding {
    /// The hash of the message.
    pub const fn digest(self) -> Digest {
        match self {
            Self::Pkcs1(digest) | Self::Pss(digest) => digest,
        }
    }
}
