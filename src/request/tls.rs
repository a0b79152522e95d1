//! The version of TLS that a request came over, as gateways write it.

/// A version of TLS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TlsVersion {
    /// Anything before TLS 1.0.
    Ssl,
    /// TLS 1.0.
    V1_0,
    /// TLS 1.1.
    V1_1,
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsVersion {
    /// From the spellings of nginx (`TLSv1.2`, `SSLv3`), Envoy (`TLSv1.2`), HAProxy (`TLSv1.2`), Java (`TLSv1.2`) and plain `1.2`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("TLSv").or_else(|| name.strip_prefix("TLS ")).unwrap_or(name) {
            "1" | "1.0" => Self::V1_0,
            "1.1" => Self::V1_1,
            "1.2" => Self::V1_2,
            "1.3" => Self::V1_3,
            "SSLv2" | "SSLv3" => Self::Ssl,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::TlsVersion;

    #[test]
    fn versions_are_read_and_ordered() {
        for (name, version) in [("TLSv1", TlsVersion::V1_0), ("TLSv1.1", TlsVersion::V1_1), ("1.2", TlsVersion::V1_2)] {
            assert_eq!(TlsVersion::from_name(name), Some(version));
        }
        assert!(TlsVersion::from_name("SSLv3") < TlsVersion::from_name("TLSv1.3"));
        for name in ["", "TLS", "TLSv2", "1.20", "tlsv1.2"] {
            assert_eq!(TlsVersion::from_name(name), None, "{name}");
        }
    }
}
