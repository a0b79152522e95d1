//! Tables of multiples of public keys that the processes of a gateway hold in common, in a file of their own beside the region.
//!
//! It is a cache, and a region in form. What it lacks is built again, so it may be removed at any time, and one that was made for another size or by
//! another version is replaced; processes that have mapped it go on with what they have. It grows as tables are made, up to a limit, and never takes
//! the last quarter of its file system.
//!
//! ```text
//! key_tables  0..64 the numbers below, then a word for each place ([`word`])
//! sparse      a record of 16 words for each place: kind, the point, checksum, when last let go of;
//!             then the places themselves, of one size after the other
//! ```
//!
//! * A place is found by a hash of the kind and the point, within [`PROBE`] of where it points; the record is compared as a whole.
//! * **Reading.** Who wants a table pins its place, and only then looks whose it is: from there on nobody writes there. The first handle of a process
//!   pins, the last one to go unpins. The checksum, which has the point in it, is computed once for each pin.
//! * **Building.** Who finds no table takes a lock that the kernel releases should it be killed, looks again, claims a place, writes the record, and
//!   lets go of the lock. So a second one finds the place being built, and builds nothing. The lock spares work: that no table is written while
//!   it is read rests on the place's word alone.
//! * **Making room.** A place is used again only if no living process has it pinned; those that were let go of earliest go first.
//! * **The killed.** Numbers of processes without an owner are found by their locks ([`member`]): by who joins, who finds a place under
//!   construction by one, and who finds no room.

mod member;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
mod word;

use super::region::{self, SPARSE};
use super::{PAGE_WORDS, Region, RegionSpec, Section, SectionSpec, Shape};
use crate::error::Error;
use crate::lanes::Line;
use crate::sync::{AtomicU64, Ordering, soon};
use crate::time::Millis;
use member::Member;
use std::fs::OpenOptions;
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};
use word::{BUILDING, Before, PINS, READY, RESERVED};

const SECTION: &str = "key_tables";
const LIMIT: &str = "key_table_bytes";
/// Counts changes of the meaning of a record or of the numbers before the words.
const FORMAT: u64 = 1;

const NUMBERS: usize = 64;
/// Bytes of all places whose memory is reserved. Changed with the claiming lock held.
const USED: usize = 0;
/// Rises with every publication and every last handle: tells who was let go of earlier.
const CLOCK: usize = 1;
const BUILT: usize = 2;
const EVICTED: usize = 3;
const DAMAGED: usize = 4;
/// Where the next search for room begins.
const CURSOR: usize = 5;

const RECORD: usize = 16;
const KIND: usize = 0;
const POINT: usize = 1;
const CHECKSUM: usize = 9;
const STAMP: usize = 10;

/// How many places a table may lie in.
const PROBE: usize = 32;
/// How many places a search for room looks at.
const LOOKS: usize = 4096;

/// One size of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Lines of 64 bytes of a table.
    pub lines: usize,
    /// Of how many equal parts of the limit such tables may take one.
    pub part: u64,
}

/// What file to open.
#[derive(Clone, Copy, Debug)]
pub struct TablesSpec<'a> {
    /// The file.
    pub path: &'a Path,
    /// The limit.
    pub bytes: u64,
    /// The sizes of tables.
    pub sizes: &'a [TableSize],
    /// Permission bits of the file.
    pub mode: u32,
    /// Numeric group of the file, where it is not that of the process.
    pub group: Option<u32>,
    /// Becomes the birth of a file that is made.
    pub now: Millis,
}

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableId {
    /// Curve, shape, representation and their version, as the user numbers them.
    pub kind: u64,
    /// The public key.
    pub point: Line,
    /// Lines of the table.
    pub lines: usize,
}

/// What is to be done for a table.
#[derive(Debug)]
pub enum Claim {
    /// Nothing: here it is.
    Ready(Published),
    /// To build it, in this place.
    Build(Box<Building>),
    /// To ask again: another thread or process is at it.
    Later,
    /// To do without: there is no room, or no sharing at all.
    None,
}

/// What the tables of a file amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// The limit in bytes.
    pub limit: u64,
    /// Bytes of memory in use.
    pub bytes: u64,
    /// Tables.
    pub tables: u64,
    /// Those that some process holds.
    pub held: u64,
    /// Processes that hold any.
    pub processes: u32,
    /// Tables built since the file was made.
    pub built: u64,
    /// Tables that made room for others since then.
    pub evicted: u64,
    /// Tables that were found damaged since then.
    pub damaged: u64,
}

#[derive(Clone, Copy, Debug)]
struct Class {
    lines: usize,
    /// Number of the first place.
    first: usize,
    places: usize,
    /// Where the first place lies in the sparse section, and how far the next.
    at: usize,
    stride: usize,
}

#[derive(Debug)]
struct Inner {
    region: Region,
    control: Section,
    sparse: Section,
    path: PathBuf,
    limit: u64,
    classes: Vec<Class>,
    /// `None`: all numbers are taken, or the system cannot do this.
    member: Mutex<Option<Arc<Member>>>,
}

/// The tables of one file, as this process has them. Clones are the same.
#[derive(Clone, Debug)]
pub struct Tables(Arc<Inner>);

/// The classes, and the words of the sparse section.
fn classes(sizes: &[TableSize], bytes: u64) -> Option<(Vec<Class>, usize)> {
    let mut classes = Vec::new();
    let mut first = 0;
    for size in sizes {
        let stride = size.lines.checked_mul(8)?.checked_next_multiple_of(PAGE_WORDS)?;
        let places = usize::try_from(bytes / size.part.max(1)).ok()? / (stride * 8).max(1);
        classes.push(Class { lines: size.lines, first, places, at: 0, stride });
        first += places;
    }
    let mut at = (first * RECORD).next_multiple_of(PAGE_WORDS);
    for class in &mut classes {
        class.at = at;
        at = at.checked_add(class.places.checked_mul(class.stride)?)?;
    }
    Some((classes, at))
}

fn places(classes: &[Class]) -> usize {
    classes.iter().map(|class| class.places).sum()
}

fn checksum(id: &TableId, lines: &[Line]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    // Eight chains, so that the multiplications overlap.
    let mut sums: [u64; 8] = id.point.0;
    for line in lines {
        for (sum, word) in sums.iter_mut().zip(line.0) {
            *sum = (*sum ^ word).wrapping_mul(ODD).rotate_left(29);
        }
    }
    sums.iter().fold(id.kind, |hash, sum| (hash ^ sum).wrapping_mul(ODD).rotate_left(31))
}

impl Tables {
    /// Opens the file that `spec` describes, or makes it; replaces one that was made for another size, or by another version.
    ///
    /// # Errors
    /// [`Error::Region`], as [`Region::open`].
    pub fn open(spec: &TablesSpec<'_>) -> Result<Self, Error> {
        let fail = |message: &str| Error::Region { path: spec.path.display().to_string(), message: message.to_owned() };
        let (classes, sparse) =
            classes(spec.sizes, spec.bytes).ok_or_else(|| fail("the capacities asked for are too large"))?;
        let fact = |name, value| Shape { name, value, chosen: false };
        let words = (NUMBERS + places(&classes)) as u64;
        let shape = vec![fact(LIMIT, spec.bytes), fact("format", FORMAT)];
        let mut of_region = RegionSpec::new(Some(spec.path.to_owned()), spec.now)
            .with(SectionSpec { name: SECTION, words, shape })
            .with(SectionSpec { name: SPARSE, words: sparse as u64, shape: Vec::new() });
        of_region.mode = spec.mode;
        of_region.group = spec.group;
        let region = match Region::open(&of_region) {
            Ok(region) => region,
            Err(error) => {
                if !region::remove_unfit(&of_region, member::hold_for_removal) {
                    return Err(error);
                }
                Region::open(&of_region)?
            }
        };
        let inner = Inner {
            control: region.section_of(SECTION, words)?,
            sparse: region.section_of(SPARSE, sparse as u64)?,
            region,
            path: spec.path.to_owned(),
            limit: spec.bytes,
            classes,
            member: Mutex::new(None),
        };
        let member = inner.join();
        if member.is_none() {
            return Err(fail("as many processes share it as can (56), or its file system knows no locks"));
        }
        *inner.member.lock().unwrap_or_else(PoisonError::into_inner) = member;
        Ok(Self(Arc::new(inner)))
    }

    /// What the tables of the file at `path` amount to; `None` where there is no such file.
    ///
    /// # Errors
    /// It is damaged, truncated, of another version, or may not be opened.
    pub fn inspect(path: &Path) -> Result<Option<TableCounts>, Error> {
        if std::fs::symlink_metadata(path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let (region, found) = Region::open_found(path)?;
        let limit = found.iter().find(|section| section.name == SECTION).and_then(|section| section.fact(LIMIT));
        Ok(region.section(SECTION).map(|control| counts(&control, limit.unwrap_or(0))))
    }

    /// What they amount to.
    #[must_use]
    pub fn counts(&self) -> TableCounts {
        counts(&self.0.control, self.0.limit)
    }

    /// Whether another process has truncated the file since it was mapped; see [`Region::is_lost`].
    #[inline]
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.region.is_lost()
    }

    /// The table, or a place to build it in.
    #[must_use]
    pub fn claim(&self, id: &TableId) -> Claim {
        let Some(class) = self.0.classes.iter().find(|class| class.lines == id.lines && class.places > 0) else {
            return Claim::None;
        };
        if self.is_lost() {
            return Claim::None;
        }
        let Some(member) = self.0.member() else { return Claim::None };
        if let Look::Ready(published) = self.look(&member, class, id) {
            return Claim::Ready(published);
        }
        let Some(_threads) = soon(&member.claiming) else { return Claim::Later };
        let Some(_processes) = member.claim() else { return Claim::Later };
        // Again, now that nobody else can begin.
        match self.look(&member, class, id) {
            Look::Ready(published) => return Claim::Ready(published),
            Look::Building(by) if !member.bury(by, |dead| self.0.heal(dead)) => return Claim::Later,
            Look::Building(_) | Look::Absent => {}
        }
        let place = self.0.place(class, id, &member).or_else(|| {
            member.bury(PINS, |dead| self.0.heal(dead)).then(|| self.0.place(class, id, &member)).flatten()
        });
        let Some(index) = place else { return Claim::None };
        let building =
            Building { tables: self.clone(), member: member.clone(), index, class: *class, id: *id, open: true };
        if let Some(record) = self.0.record(index) {
            let identity = [(KIND, id.kind)].into_iter().chain((POINT..).zip(id.point.0));
            // Relaxed: who goes by a record has pinned the place, which acquires all this; who does not merely looks elsewhere or again.
            identity.for_each(|(at, value)| record[at].store(value, Ordering::Relaxed));
        }
        Claim::Build(Box::new(building))
    }

    fn look(&self, member: &Arc<Member>, class: &Class, id: &TableId) -> Look {
        for index in self.0.window(class, id) {
            let Some(word) = self.0.word(index) else { continue };
            let now = word.load(Ordering::Acquire);
            if now & (READY | BUILDING) == 0 || !self.0.holds(index, id) {
                continue;
            }
            if now & BUILDING != 0 {
                return Look::Building(now & PINS);
            }
            if let Some(published) = self.pin(member, class, index, id) {
                return Look::Ready(published);
            }
        }
        Look::Absent
    }

    fn pin(&self, member: &Arc<Member>, class: &Class, index: usize, id: &TableId) -> Option<Published> {
        let word = self.0.word(index)?;
        let mut handles = member.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !handles.contains_key(&index);
        if first && !word::pin(word, member.number) {
            return None;
        }
        // From here on nobody writes to the place or its record, until the pin is taken away: by `Published::drop`, or below.
        let mine = self.0.holds(index, id);
        let lines = if mine { self.0.lines(class, index) } else { None };
        let sound = lines.filter(|lines| {
            let expected = self.0.record(index).map(|record| record[CHECKSUM].load(Ordering::Relaxed));
            // SAFETY: the place is pinned.
            !first || expected == Some(checksum(id, unsafe { lines.as_ref() }))
        });
        let Some(lines) = sound else {
            if first {
                word::unpin(word, member.number);
            }
            if mine && word::claim(word, member.number).is_some() {
                word::abandon(word, member.number, true);
                self.0.number(DAMAGED).fetch_add(1, Ordering::Relaxed);
            }
            return None;
        };
        *handles.entry(index).or_insert(0) += 1;
        drop(handles);
        Some(Published { tables: self.clone(), member: member.clone(), index, lines })
    }
}

enum Look {
    Ready(Published),
    /// By the member with this bit.
    Building(u64),
    Absent,
}

fn counts(control: &Section, limit: u64) -> TableCounts {
    let words = control.words();
    let number = |at: usize| words.get(at).map_or(0, |word| word.load(Ordering::Relaxed));
    let mut counts = TableCounts { limit, bytes: number(USED), ..TableCounts::default() };
    (counts.built, counts.evicted, counts.damaged) = (number(BUILT), number(EVICTED), number(DAMAGED));
    let mut pins = 0;
    for word in words.iter().skip(NUMBERS).map(|word| word.load(Ordering::Relaxed)).filter(|word| word & READY != 0) {
        counts.tables += 1;
        counts.held += u64::from(word & PINS != 0);
        pins |= word & PINS;
    }
    counts.processes = pins.count_ones();
    counts
}

impl Inner {
    fn number(&self, at: usize) -> &AtomicU64 {
        // The section has more words than there are numbers.
        &self.control.words()[at]
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        self.control.words().get(NUMBERS + index)
    }

    fn record(&self, index: usize) -> Option<&[AtomicU64; RECORD]> {
        self.sparse.words().get(index * RECORD..(index + 1) * RECORD)?.try_into().ok()
    }

    /// Whether the record says that the place is for this table.
    fn holds(&self, index: usize, id: &TableId) -> bool {
        self.record(index).is_some_and(|record| {
            record[KIND].load(Ordering::Relaxed) == id.kind
                && record[POINT..].iter().zip(id.point.0).all(|(word, value)| word.load(Ordering::Relaxed) == value)
        })
    }

    fn at(class: &Class, index: usize) -> usize {
        class.at + (index - class.first) * class.stride
    }

    /// The table's lines; to be read only while the place is pinned.
    fn lines(&self, class: &Class, index: usize) -> Option<NonNull<[Line]>> {
        // SAFETY: the reference ends here; who reads through the pointer has pinned the place, whose words nobody writes meanwhile.
        unsafe { self.sparse.lines(Self::at(class, index), class.lines) }.map(NonNull::from)
    }

    /// The places where a table may lie.
    fn window(&self, class: &Class, id: &TableId) -> impl Iterator<Item = usize> + use<> {
        let hash = id.point.0.iter().fold(id.kind, |hash, word| {
            let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^ hash >> 29
        });
        let (first, places) = (class.first, class.places);
        let start = (hash % places as u64) as usize;
        (0..places.min(PROBE)).map(move |step| first + (start + step) % places)
    }

    /// A number in the file, by a descriptor of this process's own.
    fn join(&self) -> Option<Arc<Member>> {
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&self.path).ok()?;
        // The path may lead to another file by now.
        let (found, mapped) = (file.metadata().ok()?, self.sparse.metadata()?);
        if (found.dev(), found.ino()) != (mapped.dev(), mapped.ino()) {
            return None;
        }
        let member = Member::join(file, |dead| self.heal(dead))?;
        if let Some(_processes) = member.claim() {
            // Anew: whoever was killed in between may not have counted what it reserved.
            let used = self.classes.iter().flat_map(|class| {
                (class.first..class.first + class.places)
                    .filter(|index| self.word(*index).is_some_and(|word| word.load(Ordering::Relaxed) != 0))
                    .map(|_| class.stride as u64 * 8)
            });
            self.number(USED).store(used.sum(), Ordering::Relaxed);
        }
        Some(Arc::new(member))
    }

    /// The member that this process is now.
    fn member(&self) -> Option<Arc<Member>> {
        let mut member = soon(&self.member)?;
        if member.as_ref().is_some_and(|member| !member.is_current()) {
            *member = self.join();
        }
        member.clone()
    }

    fn heal(&self, dead: u64) {
        self.control.words().iter().skip(NUMBERS).for_each(|word| word::heal(word, dead));
    }

    /// Claims a place for the table. With the claiming lock held.
    fn place(&self, class: &Class, id: &TableId, member: &Member) -> Option<usize> {
        let bytes = class.stride as u64 * 8;
        // The best of the window: free with memory, free without while there is room, what was let go of earliest, free without for others' memory.
        let room = self.has_room(bytes);
        let rank = |index: usize| {
            let now = self.word(index)?.load(Ordering::Relaxed);
            match now {
                _ if !word::claimable(now) => None,
                _ if now & READY != 0 => Some((2, self.record(index)?[STAMP].load(Ordering::Relaxed), index)),
                _ if now & RESERVED != 0 => Some((0, 0, index)),
                _ => Some((if room { 1 } else { 3 }, 0, index)),
            }
        };
        let (rank, _, index) = self.window(class, id).filter_map(rank).min()?;
        if rank == 3 && !self.make_room(bytes, member.number) {
            return None;
        }
        let word = self.word(index)?;
        let before = word::claim(word, member.number)?;
        let used = self.number(USED);
        match before {
            Before::Unused => {
                used.fetch_add(bytes, Ordering::Relaxed);
            }
            Before::Reserved => {}
            Before::Table => {
                self.number(EVICTED).fetch_add(1, Ordering::Relaxed);
            }
        }
        // In any case: who was killed here may have left it to us.
        if self.sparse.reserve(index * RECORD, RECORD) && self.sparse.reserve(Self::at(class, index), class.stride) {
            return Some(index);
        }
        self.sparse.give_back(Self::at(class, index), class.stride);
        used.fetch_sub(bytes, Ordering::Relaxed);
        word::abandon(word, member.number, false);
        None
    }

    /// Whether so many bytes more are within the limit, and leave the file system a quarter of itself.
    fn has_room(&self, bytes: u64) -> bool {
        if self.number(USED).load(Ordering::Relaxed).saturating_add(bytes) > self.limit {
            return false;
        }
        self.sparse.file_system().is_some_and(|(free, all)| all == 0 || free >= bytes + all / 4)
    }

    /// Gives the memory of places back that are free, or have a table that nobody reads, until there is room for `bytes`.
    fn make_room(&self, bytes: u64, member: u32) -> bool {
        let all = places(&self.classes);
        for _ in 0..LOOKS.min(all) {
            let index = self.number(CURSOR).fetch_add(1, Ordering::Relaxed) as usize % all.max(1);
            let Some(word) = self.word(index) else { continue };
            let Some(class) = self.classes.iter().rfind(|class| class.first <= index && class.places > 0) else {
                continue;
            };
            // A look first: exchanges that fail cost as much as others.
            if word.load(Ordering::Relaxed) & RESERVED == 0 {
                continue;
            }
            let Some(before) = word::claim(word, member) else { continue };
            let given = self.sparse.give_back(Self::at(class, index), class.stride);
            if given {
                self.number(USED).fetch_sub(class.stride as u64 * 8, Ordering::Relaxed);
            }
            if before == Before::Table {
                self.number(EVICTED).fetch_add(1, Ordering::Relaxed);
            }
            word::abandon(word, member, !given);
            if self.has_room(bytes) {
                return true;
            }
        }
        false
    }

    /// The moment, as places remember it.
    fn stamp(&self, index: usize) {
        if let Some(record) = self.record(index) {
            let now = self.number(CLOCK).fetch_add(1, Ordering::Relaxed);
            record[STAMP].store(now, Ordering::Relaxed);
        }
    }
}

/// A place that a table is to be built in; given up on drop.
#[derive(Debug)]
pub struct Building {
    tables: Tables,
    member: Arc<Member>,
    index: usize,
    class: Class,
    id: TableId,
    open: bool,
}

impl Building {
    /// Puts the table there for everybody; `None` if it has not as many lines as was said, and where the file was lost.
    #[must_use]
    pub fn publish(mut self, table: &[Line]) -> Option<Published> {
        let inner = &self.tables.0;
        if table.len() != self.class.lines {
            return None;
        }
        let first = Inner::at(&self.class, self.index);
        let words = inner.sparse.words().get(first..first + table.len() * 8)?;
        // Relaxed: the exchange below publishes them. Nobody reads before.
        words
            .iter()
            .zip(table.iter().flat_map(|line| line.0))
            .for_each(|(word, value)| word.store(value, Ordering::Relaxed));
        inner.record(self.index)?[CHECKSUM].store(checksum(&self.id, table), Ordering::Relaxed);
        inner.stamp(self.index);
        let lines = inner.lines(&self.class, self.index)?;
        let mut handles = self.member.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.region.is_lost() || !word::publish(inner.word(self.index)?, self.member.number) {
            return None;
        }
        // The pin that it was published with is that of the first handle.
        handles.insert(self.index, 1);
        drop(handles);
        self.open = false;
        inner.number(BUILT).fetch_add(1, Ordering::Relaxed);
        Some(Published { tables: self.tables.clone(), member: self.member.clone(), index: self.index, lines })
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if self.open
            && let Some(word) = self.tables.0.word(self.index)
        {
            word::abandon(word, self.member.number, true);
        }
    }
}

/// A table in the file, which stays as it is while this lives.
#[derive(Debug)]
pub struct Published {
    tables: Tables,
    member: Arc<Member>,
    index: usize,
    /// In the mapping that `tables` keeps.
    lines: NonNull<[Line]>,
}

// SAFETY: the lines are only read, by whichever thread (kept by `deref`, the only way to them).
unsafe impl Send for Published {}
// SAFETY: as above.
unsafe impl Sync for Published {}

impl Published {
    /// See [`Tables::is_lost`]: asked after the last access, `true` says that what was read may mean nothing.
    #[inline]
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.tables.is_lost()
    }
}

impl Deref for Published {
    type Target = [Line];

    #[inline]
    fn deref(&self) -> &[Line] {
        // SAFETY: the mapping lives as long as `tables`, and the place is pinned from before this was made until it is dropped (kept by
        // `Tables::pin` and `Building::publish`), so that nobody writes there: see `word`.
        unsafe { self.lines.as_ref() }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // After a fork the pin is another process's as well, and stays.
        if !self.member.is_current() {
            return;
        }
        let mut handles = self.member.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let left = handles.get_mut(&self.index).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == 0 {
            handles.remove(&self.index);
            self.tables.0.stamp(self.index);
            if let Some(word) = self.tables.0.word(self.index) {
                word::unpin(word, self.member.number);
            }
        }
    }
}

/// The file beside a region: its path with `.tables` behind it.
#[must_use]
pub fn tables_path(region: &Path) -> PathBuf {
    let mut path = region.as_os_str().to_owned();
    path.push(".tables");
    path.into()
}
