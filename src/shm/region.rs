//! Opening a region: create or attach.

use super::PAGE_WORDS;
use super::header::{self, Facts, FoundSection, Page, Resize, Shape};
use super::map::Map;
use super::process::Process;
use super::section::Section;
use crate::error::Error;
use crate::sync::AtomicU64;
use crate::time::Millis;
use rustix::fs::{FallocateFlags, Gid, Mode};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A section that a room asks for.
#[derive(Clone, Debug)]
pub struct SectionSpec {
    /// At most 16 ASCII characters.
    pub name: &'static str,
    /// How many words of 64 bits.
    pub words: u64,
    /// What the section was made for: at most 8 named numbers.
    pub shape: Vec<Shape>,
}

/// The name of a section whose memory is reserved piece by piece, when it is used ([`Section::reserve`]); must be the last one.
pub(super) const SPARSE: &str = "sparse";

/// What region to open.
#[derive(Clone, Debug)]
pub struct RegionSpec {
    /// The file, or `None` for memory of this process and its children.
    pub path: Option<PathBuf>,
    /// The sections, in order; at most 16.
    pub sections: Vec<SectionSpec>,
    /// The moment of opening; becomes the birth of a region that is made.
    pub now: Millis,
    /// Permission bits of the file.
    pub mode: u32,
    /// Numeric group of the file, where it is not that of the process.
    pub group: Option<u32>,
}

impl RegionSpec {
    /// A region without sections, readable and writable by its owner only.
    #[must_use]
    pub fn new(path: Option<PathBuf>, now: Millis) -> Self {
        Self { path, sections: Vec::new(), now, mode: 0o600, group: None }
    }

    /// The same with one more section.
    #[must_use]
    pub fn with(mut self, section: SectionSpec) -> Self {
        self.sections.push(section);
        self
    }
}

/// An open region. Clones share the mapping.
#[derive(Clone, Debug)]
pub struct Region {
    map: Arc<Map>,
    facts: Arc<Facts>,
    /// (name, first word, words)
    sections: Arc<[(String, usize, usize)]>,
    path: Option<PathBuf>,
    created: bool,
    /// Of a region with a sparse section.
    file: Option<Arc<File>>,
}

/// How often a file that vanishes between two steps is tried again.
const ATTEMPTS: usize = 16;

impl Region {
    /// Opens the region that `spec` describes: attaches where the file exists, creates it where not.
    ///
    /// # Errors
    /// [`Error::Region`] naming the file, what is wrong and what to do: no permission, no space, another owner, not a region, damaged,
    /// truncated, of another version, made for other capacities.
    pub fn open(spec: &RegionSpec) -> Result<Self, Error> {
        let fail = |message: String| Error::Region {
            path: spec.path.as_ref().map_or_else(|| "(memory)".into(), |path| path.display().to_string()),
            message,
        };
        let total = header::total_words(spec).ok_or_else(|| fail("the capacities asked for are too large".into()))?;
        let words = usize::try_from(total).map_err(|_| fail("the capacities asked for are too large".into()))?;
        let Some(path) = &spec.path else {
            let map = Map::anonymous(words).map_err(|e| fail(format!("no memory for {} bytes: {e}", total * 8)))?;
            let page = header::make(spec, total, random_keys().map_err(|e| fail(system("random keys", &e)))?);
            write_header(&map, &page);
            let facts = header::agree(&page, spec, total).map_err(fail)?;
            return Ok(Self::over(map, facts, spec, true));
        };
        for _ in 0..ATTEMPTS {
            match OpenOptions::new().read(true).write(true).custom_flags(nofollow()).open(path) {
                Ok(file) => {
                    let (map, facts) = attach(&file, spec, total, words).map_err(fail)?;
                    return Ok(Self::over(map, facts, spec, false).kept(file));
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(fail(cannot_open(path, &e))),
            }
            if let Some((map, file, facts)) = create(path, spec, total, words).map_err(fail)? {
                return Ok(Self::over(map, facts, spec, true).kept(file));
            }
            // Another process was first: attach to what it made.
        }
        Err(fail("the file keeps vanishing while it is opened".into()))
    }

    /// Opens a region that exists as its header describes it, without a document to hold it against.
    ///
    /// # Errors
    /// [`Error::Region`]: there is none, or it is damaged, truncated, of another version, or not to be trusted.
    pub fn open_found(path: &Path) -> Result<(Self, Vec<FoundSection>), Error> {
        let fail = |message: String| Error::Region { path: path.display().to_string(), message };
        let file = OpenOptions::new().read(true).write(true).custom_flags(nofollow()).open(path);
        let file = file.map_err(|e| fail(cannot_open(path, &e)))?;
        let (page, length) = read_header(&file, None).map_err(fail)?;
        let (found, total) = header::found(&page).map_err(fail)?;
        let words = usize::try_from(total).map_err(|_| fail("is too large for this machine".into()))?;
        let map = map_whole(&file, length, total, words, dense(&found, words)).map_err(fail)?;
        Ok((Self::as_found(map, &page, &found, path, false).kept(file), found))
    }

    /// The same, with its file at hand if it needs it any more.
    fn kept(mut self, file: File) -> Self {
        let sparse = self.sections.iter().any(|(name, _, _)| name == SPARSE);
        self.file = sparse.then(|| Arc::new(file));
        self
    }

    fn as_found(map: Map, page: &Page, found: &[FoundSection], path: &Path, created: bool) -> Self {
        let mut first = PAGE_WORDS;
        let mut sections = Vec::with_capacity(found.len());
        for section in found {
            // `header::found` has bounded the sum, and the map is that long.
            let words = usize::try_from(section.words).unwrap_or(0);
            sections.push((section.name.clone(), first, words));
            first += words.next_multiple_of(PAGE_WORDS);
        }
        let facts = Arc::new(header::facts(page));
        Self { map: Arc::new(map), facts, sections: sections.into(), path: Some(path.to_owned()), created, file: None }
    }

    /// Makes a region at `path`, where there is none yet, like this one: the same birth, keys, owner's mode and sections, some of other sizes.
    /// `carry` fills it from this one, section by section (name, old words, new words), before anybody else can see it.
    ///
    /// # Errors
    /// As [`Region::open`]; a file is there already; or what `carry` says.
    pub fn create_resized(
        &self,
        path: &Path,
        changes: &[Resize],
        carry: impl Fn(&str, &[AtomicU64], &[AtomicU64]) -> Result<(), String>,
    ) -> Result<Self, Error> {
        let fail = |message: String| Error::Region { path: path.display().to_string(), message };
        let mut old = [0; PAGE_WORDS];
        for (word, place) in old.iter_mut().zip(self.map.words()) {
            *word = place.load(Ordering::Acquire);
        }
        let page = header::resized(&old, changes);
        let (found, total) = header::found(&page).map_err(fail)?;
        let words = usize::try_from(total).map_err(|_| fail("is too large for this machine".into()))?;
        let mode = match &self.path {
            Some(path) => std::fs::metadata(path).map_err(|e| fail(system("stat", &e)))?.mode() & 0o777,
            None => 0o600,
        };
        let made = publish(path, &page, (mode, None), [words, dense(&found, words)], |map| {
            let mut first = PAGE_WORDS;
            for section in &found {
                let count = usize::try_from(section.words).unwrap_or(0);
                let old = self.sections.iter().find(|(name, _, _)| *name == section.name);
                let old = old.and_then(|&(_, first, words)| self.map.words().get(first..first + words));
                let new = map.words().get(first..first + count);
                #[cfg(not(loom))]
                carry(&section.name, old.unwrap_or_default(), new.unwrap_or_default())?;
                #[cfg(loom)]
                let _ = (old, new, &carry);
                first += count.next_multiple_of(PAGE_WORDS);
            }
            Ok(())
        });
        let made = made.map_err(fail)?;
        let (map, file) = made.ok_or_else(|| fail("exists already; give a path where nothing is".into()))?;
        Ok(Self::as_found(map, &page, &found, path, true).kept(file))
    }

    /// Whether another process has truncated the file since it was mapped (see [`super::survive_truncation`]). Asked after the last access; `true`:
    /// what was read since then may mean nothing.
    #[inline]
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.map.is_lost()
    }

    fn over(map: Map, facts: Facts, spec: &RegionSpec, created: bool) -> Self {
        let mut first = PAGE_WORDS;
        let mut sections = Vec::with_capacity(spec.sections.len());
        for section in &spec.sections {
            // `total_words` has bounded the sum, and the map is that long.
            let words = usize::try_from(section.words).unwrap_or(0);
            sections.push((section.name.to_owned(), first, words));
            first += words.next_multiple_of(PAGE_WORDS);
        }
        let (map, facts) = (Arc::new(map), Arc::new(facts));
        Self { map, facts, sections: sections.into(), path: spec.path.clone(), created, file: None }
    }

    /// The section of that name, if `spec` asked for one.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<Section> {
        let &(_, first, words) = self.sections.iter().find(|(known, _, _)| known == name)?;
        Section::of(&self.map, first, words, self.file.clone())
    }

    /// The section of that name, which must have as many words as its user reckons with.
    ///
    /// # Errors
    /// There is none, or it was made for other numbers.
    pub fn section_of(&self, name: &str, words: u64) -> Result<Section, Error> {
        let fail = |message: String| Error::Region { path: self.name(), message };
        let section = self.section(name).ok_or_else(|| fail(format!("has no section \"{name}\"")))?;
        if section.len() as u64 != words {
            return Err(fail(format!("was opened with other numbers for its section \"{name}\" than it is used with")));
        }
        Ok(section)
    }

    /// What to say of a region whose tables were made with a hash that this CPU cannot compute.
    #[must_use]
    pub fn foreign_hash(&self) -> Error {
        let message = "was made with a hash that this CPU cannot compute; remove the file".into();
        Error::Region { path: self.name(), message }
    }

    /// A fact of a section that its creator chose.
    #[must_use]
    pub fn chosen(&self, section: &str, fact: &str) -> Option<u64> {
        self.facts.chosen.iter().find(|(s, f, _)| s == section && f == fact).map(|(_, _, value)| *value)
    }

    /// When the region was made.
    #[must_use]
    pub fn birth(&self) -> Millis {
        Millis(self.facts.birth)
    }

    /// Random key `which` (0 or 1), drawn when the region was made.
    #[must_use]
    pub fn key(&self, which: usize) -> [u8; 16] {
        self.facts.keys[which & 1]
    }

    /// Whether this call made the region (rather than attached to it).
    #[must_use]
    pub fn created(&self) -> bool {
        self.created
    }

    /// The file, or `None` for anonymous memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The region's name in messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "(memory)".into(), |path| path.display().to_string())
    }
}

fn nofollow() -> i32 {
    // The flag's bits are those of the C headers, which std takes as they are.
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

fn system(doing: &str, error: &dyn std::fmt::Display) -> String {
    format!("{doing}: {error}")
}

fn cannot_open(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("cannot be opened for reading and writing ({error}); the gateway's user needs both")
        }
        io::ErrorKind::ReadOnlyFilesystem => format!("lies on a read-only file system ({error})"),
        io::ErrorKind::IsADirectory => format!("is a directory; give a file in it, such as {}/region", path.display()),
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            "is a symbolic link, which is not followed; give the path of the file itself".into()
        }
        _ => system("cannot be opened", error),
    }
}

fn random_keys() -> rustix::io::Result<[[u8; 16]; 2]> {
    let mut keys = [[0; 16]; 2];
    let mut filled = 0;
    while filled < 32 {
        filled +=
            rustix::rand::getrandom(&mut keys.as_flattened_mut()[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(keys)
}

/// Writes the header into memory that nobody else sees yet.
fn write_header(map: &Map, page: &Page) {
    put_header(map.words(), page, |word, value, order| word.store(value, order));
}

/// Writes everything, then the magic. `store` is that of the atomics in use.
pub(super) fn put_header<A>(words: &[A], page: &[u64], store: impl Fn(&A, u64, Ordering)) {
    for (word, value) in words.iter().zip(page).skip(1) {
        // Relaxed: nobody attaches before the magic (below) and the link (a system call, which orders everything before it).
        store(word, *value, Ordering::Relaxed);
    }
    if let (Some(word), Some(magic)) = (words.first(), page.first()) {
        // Release: who sees the magic sees the header.
        store(word, *magic, Ordering::Release);
    }
}

/// Reserves every block, so that the mapping cannot meet a full file system later.
fn reserve(file: &File, bytes: u64) -> Result<(), String> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::NOSPC) => Err(format!(
            "no space: the file system has no room for {bytes} bytes; ask for smaller capacities or enlarge the file system"
        )),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            Err("the file system cannot reserve space (fallocate); put the region on tmpfs, such as /dev/shm".into())
        }
        Err(e) => Err(system(&format!("reserving {bytes} bytes"), &e)),
    }
}

/// Removes the file under its temporary name, published or not.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Removes what processes that were killed while they made this region have left: whole regions under temporary names.
fn clear_leftovers(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let maker = file
            .to_str()
            .and_then(|file| file.strip_prefix(name)?.strip_prefix(".new-")?.split_once('-')?.0.parse().ok());
        // Old enough, too: a maker in another process-id namespace cannot be seen, but needs no minute.
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|then| then.elapsed().ok());
        if age.is_some_and(|age| age.as_secs() >= 60) && maker.is_some_and(|id| !Process { id, start: 0 }.is_alive(0)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Makes a region under a name of its own and publishes it; `None` where another process was first.
fn create(path: &Path, spec: &RegionSpec, total: u64, words: usize) -> Result<Option<(Map, File, Facts)>, String> {
    let keys = random_keys().map_err(|e| system("random keys", &e))?;
    let page = header::make(spec, total, keys);
    let facts = header::agree(&page, spec, total)?;
    let dense = dense(&header::found(&page)?.0, words);
    let made = publish(path, &page, (spec.mode, spec.group), [words, dense], |_| Ok(()))?;
    Ok(made.map(|(map, file)| (map, file, facts)))
}

/// Makes a file with that header under a name of its own, has it filled, and links it to `path`. `None` where `path` exists by then.
fn publish(
    path: &Path,
    page: &Page,
    (mode, group): (u32, Option<u32>),
    [words, dense]: [usize; 2],
    fill: impl FnOnce(&Map) -> Result<(), String>,
) -> Result<Option<(Map, File)>, String> {
    clear_leftovers(path);
    // Not one of the keys: file names can be seen by others.
    let name = random_keys().map_err(|e| system("random name", &e))?[0];
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(
        ".new-{}-{:016x}",
        std::process::id(),
        u64::from_le_bytes(std::array::from_fn(|i| name[i]))
    ));
    let temporary = Temporary(temporary.into());
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&temporary.0).map_err(
        |e| match e.kind() {
            io::ErrorKind::NotFound => "its directory does not exist".into(),
            _ => system("cannot be created", &e),
        },
    )?;
    reserve(&file, dense as u64 * 8)?;
    if dense < words {
        file.set_len(words as u64 * 8).map_err(|e| system(&format!("making it {} bytes long", words * 8), &e))?;
    }
    let map = Map::file(&file, words, dense == words).map_err(|e| system("cannot be mapped", &e))?;
    if dense == words {
        map.in_large_pages();
    }
    fill(&map)?;
    write_header(&map, page);
    if let Some(group) = group {
        rustix::fs::fchown(&file, None, Some(Gid::from_raw(group)))
            .map_err(|e| system(&format!("cannot be given to group {group}"), &e))?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o777)).map_err(|e| system("permissions", &e))?;
    match std::fs::hard_link(&temporary.0, path) {
        Ok(()) => Ok(Some((map, file))),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(e) => Err(system("cannot be published (link)", &e)),
    }
}

fn attach(file: &File, spec: &RegionSpec, total: u64, words: usize) -> Result<(Map, Facts), String> {
    let (page, length) = read_header(file, spec.group)?;
    let facts = header::agree(&page, spec, total)?;
    let map = map_whole(file, length, total, words, dense(&header::found(&page)?.0, words))?;
    Ok((map, facts))
}

/// Removes the file that `spec` names if it is a region that may be trusted, but was made for something else, or by another version. `hold` keeps
/// others from doing so at once, until the file is closed. `false`: it stays.
pub(super) fn remove_unfit(spec: &RegionSpec, hold: impl FnOnce(&File) -> bool) -> bool {
    let Some(path) = &spec.path else { return false };
    let Ok(file) = OpenOptions::new().read(true).write(true).custom_flags(nofollow()).open(path) else { return false };
    let Ok((page, length)) = read_page(&file, spec.group) else { return false };
    let fits = header::check(&page).is_ok()
        && header::total_words(spec)
            .is_some_and(|total| header::agree(&page, spec, total).is_ok() && length == total * 8);
    if page[0] != header::MAGIC || fits || !hold(&file) {
        return false;
    }
    let same = match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(opened), Ok(named)) => (opened.dev(), opened.ino()) == (named.dev(), named.ino()),
        _ => false,
    };
    // Where another has removed it, or put a new one there, that one is to be opened.
    !same || std::fs::remove_file(path).is_ok()
}

/// The header, sound in itself, of a file that may be trusted, and the file's length.
fn read_header(file: &File, group: Option<u32>) -> Result<(Page, u64), String> {
    let (page, length) = read_page(file, group)?;
    header::check(&page)?;
    Ok((page, length))
}

/// The first page of a file that may be trusted, and the file's length.
fn read_page(file: &File, group: Option<u32>) -> Result<(Page, u64), String> {
    let meta = file.metadata().map_err(|e| system("stat", &e))?;
    if !meta.is_file() {
        return Err("is not a regular file".into());
    }
    let own = rustix::process::geteuid().as_raw();
    let trusted_group = group.is_some_and(|group| group == meta.gid());
    if meta.uid() != own && meta.uid() != 0 && !trusted_group {
        return Err(format!(
            "belongs to user {}, this process runs as {own}; remove the file, run as its owner, or name its group in the document",
            meta.uid()
        ));
    }
    if meta.mode() & 0o002 != 0 {
        return Err(format!(
            "anybody may write it (mode {:o}); remove it, or take that permission away",
            meta.mode() & 0o777
        ));
    }
    let mut page = [0; PAGE_WORDS];
    let mut bytes = [0; PAGE_WORDS * 8];
    let read = file.read_exact_at(&mut bytes, 0);
    match read {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(format!("is no region: {} bytes, shorter than a header; remove the file", meta.len()));
        }
        Err(e) => return Err(system("reading the header", &e)),
    }
    for (word, chunk) in page.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(std::array::from_fn(|i| chunk[i]));
    }
    Ok((page, meta.len()))
}

/// How many of the words are reserved from the start: those before the sparse section.
fn dense(sections: &[FoundSection], words: usize) -> usize {
    let before = sections.iter().take_while(|section| section.name != SPARSE);
    let before = before.map(|section| section.words.next_multiple_of(PAGE_WORDS as u64)).sum::<u64>();
    usize::try_from(before).map_or(words, |before| words.min(PAGE_WORDS + before))
}

fn map_whole(file: &File, length: u64, total: u64, words: usize, dense: usize) -> Result<Map, String> {
    if length != total * 8 {
        return Err(format!(
            "is truncated or padded: {length} bytes instead of {}; stop the gateways that use it and remove the file",
            total * 8
        ));
    }
    reserve(file, dense as u64 * 8)?;
    Map::file(file, words, dense == words).map_err(|e| system("cannot be mapped", &e))
}
