//! State regions from outside: what is in one, and a larger one made of it.

use crate::bucket::{
    self, Anomalies, AnomaliesConfig, Anomaly, Deny, DenyConfig, Inflight, InflightConfig, Limits, LimitsConfig, Whose,
};
use crate::error::Error;
use crate::nonce::{self, NonceConfig, Occupancy, Store};
use crate::shm::{FoundSection, Region, Resize, TableCounts, Tables, tables_path};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// A picture of a region, taken while it is in use.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Bytes of the whole region.
    pub bytes: u64,
    /// When it was made.
    pub birth: Millis,
    /// Its sections and what they were made for.
    pub sections: Vec<FoundSection>,
    /// What the nonce table holds.
    pub nonces: Option<Occupancy>,
    /// Requests refused for lack of a cell for their rate.
    pub limits_refused: Option<u64>,
    /// Denied apps, addresses and keys, suspensions and changed limits in force.
    pub marks: Option<u64>,
    /// Requests in flight, of living and of dead workers.
    pub in_flight: Option<u64>,
    /// Anomalies since the region was made, in the order of [`Anomaly::ALL`].
    pub anomalies: Option<[u64; 4]>,
    /// The apps and addresses with the most anomalies, and their counts.
    pub loudest: Vec<(String, [u64; 4])>,
    /// Tables of keys in the file beside it, where there is one, or why they cannot be seen.
    pub tables: Option<Result<TableCounts, String>>,
}

fn section<'f>(found: &'f [FoundSection], name: &str) -> Option<&'f FoundSection> {
    found.iter().find(|section| section.name == name)
}

/// How many apps and addresses are named.
const LOUDEST: usize = 10;

fn spoken(whose: Whose, name: &[u8]) -> String {
    if whose == Whose::App {
        return format!("app {}", String::from_utf8_lossy(name).escape_debug());
    }
    let ip = match name.try_into() {
        Ok(octets) => IpAddr::V4(Ipv4Addr::from_octets(octets)),
        Err(_) => match name.try_into() {
            Ok(octets) => IpAddr::V6(Ipv6Addr::from_octets(octets)),
            Err(_) => return "address ?".to_owned(),
        },
    };
    format!("address {ip}")
}

/// Looks into the region at `path` as of `now`. Changes nothing.
///
/// # Errors
/// [`Error::Region`]: there is none, it is damaged, truncated, of another version, or may not be opened.
pub fn inspect(path: &Path, now: Millis) -> Result<Inspection, Error> {
    let (region, found) = Region::open_found(path)?;
    let made_for = |name: &str, fact: &str| section(&found, name).and_then(|section| section.fact(fact));
    let nonces = section(&found, "nonce").and_then(NonceConfig::of_section);
    let anomalies = made_for("anomalies", "anomaly_keys")
        .map(|keys| Anomalies::open(&region, &AnomaliesConfig { keys }))
        .transpose()?;
    let inspection = Inspection {
        bytes: std::fs::metadata(path).map_or(0, |meta| meta.len()),
        birth: region.birth(),
        nonces: nonces.map(|config| Store::open(&region, &config)).transpose()?.map(|store| store.occupancy(now)),
        limits_refused: made_for("limits", "limit_keys")
            .map(|keys| Limits::open(&region, &LimitsConfig { keys }))
            .transpose()?
            .map(|limits| limits.refused_full()),
        marks: made_for("deny", "deny_keys")
            .map(|keys| Deny::open(&region, &DenyConfig { keys }))
            .transpose()?
            .map(|deny| deny.in_force(now)),
        in_flight: made_for("inflight", "concurrency_keys")
            .map(|keys| Inflight::open(&region, &InflightConfig { keys }))
            .transpose()?
            .map(|inflight| inflight.all_under_way()),
        anomalies: anomalies.as_ref().map(Anomalies::totals),
        loudest: anomalies.map_or_else(Vec::new, |anomalies| {
            let loudest = anomalies.loudest(LOUDEST).into_iter();
            loudest.map(|(whose, name, counts)| (spoken(whose, &name), counts.by_kind)).collect()
        }),
        sections: found,
        tables: Tables::inspect(&tables_path(path)).map_err(|error| error.to_string()).transpose(),
    };
    if region.is_lost() {
        return Err(Error::Region { path: path.display().to_string(), message: TRUNCATED.to_owned() });
    }
    Ok(inspection)
}

const TRUNCATED: &str = "was truncated by another process while it was read";

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} bytes, made at {} ms since 1970", self.bytes, self.birth.0)?;
        for section in &self.sections {
            write!(f, "section {:<10} {:>12} bytes", section.name, section.words.saturating_mul(8))?;
            for (name, value) in section.facts.iter().filter(|(name, _)| name != "prf") {
                write!(f, "  {name} {value}")?;
            }
            writeln!(f)?;
        }
        if let Some(nonces) = &self.nonces {
            let live: u64 = nonces.live.iter().sum();
            writeln!(
                f,
                "nonces: {live} live of {} slots, {} given back; {} over, {} never used, {} from the future; {} refused for lack of room",
                nonces.slots, nonces.released, nonces.over, nonces.empty, nonces.ahead, nonces.refused_full
            )?;
            write!(f, "nonces by generation of {} ms, oldest first:", nonces.period_ms)?;
            for count in &nonces.live[..=9] {
                write!(f, " {count}")?;
            }
            writeln!(f)?;
        }
        if let Some(count) = self.limits_refused {
            writeln!(f, "rates: {count} requests refused for lack of room")?;
        }
        if let Some(count) = self.marks {
            writeln!(f, "deny list: {count} entries in force (denied, suspended, changed limits)")?;
        }
        if let Some(count) = self.in_flight {
            writeln!(f, "in flight: {count}")?;
        }
        let counts = |f: &mut fmt::Formatter<'_>, counts: &[u64; 4]| {
            for (kind, count) in Anomaly::ALL.into_iter().zip(counts) {
                write!(f, " {} {count}", kind.name())?;
            }
            writeln!(f)
        };
        if let Some(totals) = &self.anomalies {
            write!(f, "anomalies:")?;
            counts(f, totals)?;
        }
        for (name, by_kind) in &self.loudest {
            write!(f, "  {name}:")?;
            counts(f, by_kind)?;
        }
        match &self.tables {
            Some(Ok(tables)) => writeln!(
                f,
                "key tables: {} in {} of {} bytes, {} of them held by {} processes; {} built, {} made room, {} damaged",
                tables.tables,
                tables.bytes,
                tables.limit,
                tables.held,
                tables.processes,
                tables.built,
                tables.evicted,
                tables.damaged
            )?,
            Some(Err(error)) => writeln!(f, "key tables: {error}")?,
            None => {}
        }
        Ok(())
    }
}

/// What a new region was made for: what the document must say from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// `state.nonces`.
    pub nonces: u64,
    /// `state.limit_keys`.
    pub limit_keys: u64,
}

/// Makes a region at `new`, where there is none yet, for at least `nonces` nonces and `limit_keys` keys of rates (as many as before where
/// `None`), with all that the region at `old` holds: nonces that it has admitted stay admitted, debts stay owed, who is denied stays denied.
/// No gateway may use `old` meanwhile or afterwards. The numbers are rounded up to what can be carried over, whole multiples of the old tables;
/// the answer says what the document must ask for. Smaller tables are not made: they could not hold what the old ones do.
///
/// # Errors
/// [`Error::Region`], naming the file: the old region cannot be opened, the new one cannot be made or exists.
pub fn migrate(old: &Path, new: &Path, nonces: Option<u64>, limit_keys: Option<u64>) -> Result<Migrated, Error> {
    let (region, found) = Region::open_found(old)?;
    let fail = |message: &str| Error::Region { path: old.display().to_string(), message: message.to_owned() };
    let config = section(&found, "nonce").and_then(NonceConfig::of_section).ok_or_else(|| fail("has no nonces"))?;
    let keys = section(&found, "limits").and_then(|section| section.fact("limit_keys"));
    let rates = LimitsConfig { keys: keys.ok_or_else(|| fail("has no limits"))? };
    let too_many = || fail("cannot be made that large");
    let mut changes: Vec<Resize> = Vec::new();
    let mut migrated = Migrated { nonces: config.capacity, limit_keys: rates.keys };
    if let Some(nonces) = nonces.filter(|nonces| *nonces != config.capacity) {
        if nonces < config.capacity {
            return Err(fail("is for more nonces than that; a table cannot become smaller"));
        }
        let (grown, change) = config.grown(nonces).ok_or_else(too_many)?;
        migrated.nonces = grown.capacity;
        changes.push(change);
    }
    if let Some(keys) = limit_keys.filter(|keys| *keys != rates.keys) {
        if keys < rates.keys {
            return Err(fail("is for more keys of rates than that; a table cannot become smaller"));
        }
        let (grown, change) = rates.grown(keys).ok_or_else(too_many)?;
        migrated.limit_keys = grown.keys;
        changes.push(change);
    }
    region.create_resized(new, &changes, |name, old, new| {
        let carried = match name {
            "nonce" => nonce::carry(old, new),
            "limits" => bucket::carry(old, new),
            _ => copy(old, new),
        };
        if region.is_lost() {
            return Err(format!("the old region {TRUNCATED}"));
        }
        if carried { Ok(()) } else { Err(format!("section `{name}` cannot be carried over")) }
    })?;
    Ok(migrated)
}

fn copy(old: &[AtomicU64], new: &[AtomicU64]) -> bool {
    for (from, to) in old.iter().zip(new) {
        // As in `nonce::carry`.
        to.store(from.load(Ordering::Acquire), Ordering::Relaxed);
    }
    old.len() == new.len()
}
