//! The table in a region: where a message belongs, and the order of steps.

use super::config::{CONTROL, CURSOR, Geometry, NonceConfig, PAGE, SECTION};
use super::page::{self, Claim, Find, LIFE, Walk};
use super::shares::{ShareKey, Shares};
use super::word;
use crate::error::Error;
use crate::hash::prf::Prf;
use crate::shm::{LINE_WORDS, LineReader, LineWork, ReadLine, Region, Section, prefetch_to_write};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Millis;

/// Words in a line.
const LINE: usize = LINE_WORDS;
/// Control word: generations since birth up to which the table is swept.
const SWEPT: usize = 0;
/// Control word: messages refused for lack of room.
const FULL: usize = 16;
/// In batches the lines after the home line are asked for so many messages ahead: asked for with all home lines at once they would be more than
/// a core has under way at a time.
const AHEAD: usize = 4;
/// Sweep page by page when this many generations have passed since the last one, …
const SWEEP_AFTER: u64 = 1 << 17;
/// … all at once when this many have, …
const SWEEP_NOW: u64 = 1 << 18;
/// … whatever is further away than this, on either side.
const SWEEP_AWAY: i64 = 1 << 18;
/// After this many without a message everything is out of date, however it reads.
const SWEEP_ALL: u64 = 1 << 19;
/// Over for anything acceptable: by how many generations.
const BLANK_AGE: i64 = 64;

/// What identifies a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// App and nonce: the nonce must not come again under any timestamp.
    #[default]
    Strict,
    /// App, timestamp and nonce: the nonce may come again under another timestamp.
    Message,
}

/// A message's place in the table, hashed once.
#[derive(Clone, Copy, Debug)]
pub struct NonceKey {
    page: u64,
    home: usize,
    word: u64,
    generation: i64,
    timestamp: Millis,
    mode: Mode,
}

impl NonceKey {
    /// For the message, put in at word `at` of its page.
    #[inline(always)]
    fn ticket(&self, at: usize) -> Ticket {
        Ticket { slot: self.page * PAGE as u64 + at as u64, word: self.word }
    }
}

/// Permission to give one nonce back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    slot: u64,
    word: u64,
}

impl Ticket {
    /// The ticket as two words, to be carried across a border.
    #[must_use]
    pub const fn to_words(self) -> [u64; 2] {
        [self.slot, self.word]
    }

    /// The ticket of two words. Words that never were a ticket give nothing back.
    #[must_use]
    pub const fn from_words([slot, word]: [u64; 2]) -> Self {
        Self { slot, word }
    }
}

/// The table's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admit {
    /// Admitted; the ticket can give the nonce back.
    Ok(Ticket),
    /// Admitted before.
    Replayed,
    /// The timestamp lies before the past window, or the table has gone on beyond its generation.
    Stale,
    /// The timestamp lies after the future window.
    TooNew,
    /// No room: the message may or may not be new.
    Full,
    /// The timestamp is one that an earlier, lost region may have admitted.
    BeforeBirth,
}

/// What a table holds, by generations relative to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Milliseconds in a generation.
    pub period_ms: u64,
    /// Slots in all.
    pub slots: u64,
    /// Slots never used, or swept.
    pub empty: u64,
    /// Slots whose entry's time is over.
    pub over: u64,
    /// Live entries: `live[8]` of the current generation, `live[0]` eight before, `live[16]` eight after.
    pub live: [u64; 2 * LIFE as usize - 1],
    /// Entries from further in the future: some process's clock was ahead.
    pub ahead: u64,
    /// Live entries that are given back at the moment.
    pub released: u64,
    /// Messages refused for lack of room since the region was made.
    pub refused_full: u64,
}

/// The nonces of one region. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Store {
    section: Section,
    prf: Prf,
    lines: LineReader,
    config: NonceConfig,
    geometry: Geometry,
    /// The windows, as differences of times.
    past: i64,
    future: i64,
    /// Generation of the region's birth.
    birth_generation: i64,
    /// Timestamps up to here are refused.
    born: Millis,
}

impl Store {
    /// The store in `region`, which was opened with [`NonceConfig::section`] of the same `config`.
    ///
    /// # Errors
    /// The region has no such section, or was made with a hash that this CPU cannot compute.
    pub fn open(region: &Region, config: &NonceConfig) -> Result<Self, Error> {
        let geometry = config.geometry();
        let section = region.section_of(SECTION, geometry.words)?;
        let prf = Prf::recorded(region.chosen(SECTION, "prf"), region.key(0)).ok_or_else(|| region.foreign_hash())?;
        let allowance = config.future_window_ms.saturating_add(config.skew_ms);
        let born = if config.birth_rule {
            region.birth().plus(i64::try_from(allowance).unwrap_or(i64::MAX))
        } else {
            Millis(i64::MIN)
        };
        let birth_generation = geometry.period.of(region.birth());
        let lines = LineReader::detect();
        let [past, future] =
            [config.past_window_ms, config.future_window_ms].map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        Ok(Self { section, prf, lines, config: *config, geometry, past, future, birth_generation, born })
    }

    /// What the store was opened with.
    #[must_use]
    pub fn config(&self) -> &NonceConfig {
        &self.config
    }

    /// Bytes that the table takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.geometry.words * 8
    }

    /// Hashes a message to its place, and asks for the memory there. Where there is no signed timestamp, give the time of arrival, and [`Mode::Strict`].
    #[inline]
    #[must_use]
    pub fn key(&self, app: &[u8], nonce: &[u8], timestamp: Millis, mode: Mode) -> NonceKey {
        let hash = match mode {
            Mode::Strict => self.prf.hash_two(1, app, nonce),
            Mode::Message => self.prf.hash_stamped(2, timestamp.0.cast_unsigned(), app, nonce),
        };
        self.place(hash, timestamp, mode)
    }

    /// As [`Self::key`], for a message that more than app and nonce make out: at most 7 parts, of which none runs into the next.
    #[inline]
    #[must_use]
    pub fn key_of(&self, parts: &[&[u8]], timestamp: Millis, mode: Mode) -> NonceKey {
        let stamp = timestamp.0.to_le_bytes();
        let hash = match mode {
            Mode::Strict => self.prf.hash_in(1, parts),
            Mode::Message => {
                let mut all: [&[u8]; 8] = [&[]; 8];
                all[0] = &stamp;
                let count = parts.len().min(7);
                all[1..=count].copy_from_slice(&parts[..count]);
                self.prf.hash_in(2, &all[..=count])
            }
        };
        self.place(hash, timestamp, mode)
    }

    /// Where a message of this hash belongs.
    #[inline]
    fn place(&self, (low, high): (u64, u64), timestamp: Millis, mode: Mode) -> NonceKey {
        // The low half chooses the page, the lowest bits of the high half the line, its upper 43 bits are the tag.
        let page = ((u128::from(low) * u128::from(self.geometry.pages)) >> 64) as u64;
        let home = high as usize & (PAGE / LINE - 1);
        // Before all that can wait: see `AtHome`.
        self.prefetch_line(page, home);
        let generation = self.geometry.period.of(timestamp);
        NonceKey { page, home, word: word::entry(high, generation), generation, timestamp, mode }
    }

    #[inline]
    fn page(&self, number: u64) -> Option<&[AtomicU64; PAGE]> {
        // The control words have a page.
        let number = usize::try_from(number).ok()?.checked_add(CONTROL / PAGE)?;
        self.section.words().as_chunks().0.get(number)
    }

    #[inline]
    fn control(&self, word: usize) -> Option<&AtomicU64> {
        self.section.words().get(word)
    }

    /// Asks once more for the memory that [`Self::peek`] and [`Self::admit`] will look at first: where much has come between.
    #[inline]
    pub fn prefetch(&self, key: &NonceKey) {
        self.prefetch_line(key.page, key.home);
    }

    #[inline(always)]
    fn prefetch_line(&self, page: u64, home: usize) {
        // A hint may be of any address, so that nothing is asked of the key's.
        let word = (page as usize).wrapping_mul(PAGE).wrapping_add(CONTROL + home * LINE);
        prefetch_to_write(self.section.words().as_ptr().wrapping_add(word));
    }

    /// Whether the message is within the window, and not before the region's birth.
    #[inline(always)]
    fn in_time(&self, key: &NonceKey, now: Millis) -> bool {
        let span = self.past.cast_unsigned() + self.future.cast_unsigned();
        now.0
            .checked_sub(key.timestamp.0)
            .is_some_and(|age| age.wrapping_add(self.future).cast_unsigned() <= span && key.timestamp > self.born)
    }

    /// Why it is not [`Self::in_time`].
    #[cold]
    #[inline(never)]
    fn out_of_time(&self, key: &NonceKey, now: Millis) -> Option<Admit> {
        let age = now.since(key.timestamp);
        if age > self.past {
            Some(Admit::Stale)
        } else if age < -self.future {
            Some(Admit::TooNew)
        } else if key.timestamp <= self.born {
            Some(Admit::BeforeBirth)
        } else {
            None
        }
    }

    /// The walk of a message; `strict` says its mode once more, so that the compiler may know it.
    #[inline(always)]
    fn walk<R: ReadLine<LINE>>(&self, key: &NonceKey, strict: bool, reader: R) -> Option<Walk<'_, PAGE, LINE, R>> {
        let page = self.page(key.page)?;
        Some(Walk { page, home: key.home, want: key.word, generation: key.generation, strict, reader })
    }

    /// Asks for the lines after the home line, where they are likely to be looked at.
    #[inline(always)]
    fn prefetch_more(&self, key: &NonceKey) {
        if key.mode == Mode::Strict
            && let Some(page) = self.page(key.page)
        {
            page::prefetch_more::<PAGE, LINE>(page, key.home);
        }
    }

    /// Whether the message was admitted before (and not given back), changing nothing: the cheap look before the signature is verified.
    /// `false` promises nothing; only [`Self::admit`] does.
    #[must_use]
    pub fn peek(&self, key: &NonceKey) -> bool {
        self.lines.enter(Peek(self, key))
    }

    /// Admits the message if it is new. Call it last, after the signature and every other check.
    pub fn admit(&self, key: &NonceKey, now: Millis) -> Admit {
        match key.mode {
            Mode::Strict => self.lines.enter(One(self, key, now)),
            Mode::Message => self.lines.enter(AtHome(self, key, now)),
        }
    }

    /// [`Self::admit`] where it is no usual case.
    #[cold]
    #[inline(never)]
    fn admit_anywhere(&self, key: &NonceKey, now: Millis) -> Admit {
        self.lines.enter(One(self, key, now))
    }

    /// Admits; `home` says whether message mode's usual way is worth a try.
    #[inline(always)]
    fn admit_by<R: ReadLine<LINE>>(&self, key: &NonceKey, now: Millis, reader: R, home: bool) -> Admit {
        if !self.in_time(key, now)
            && let Some(refusal) = self.out_of_time(key, now)
        {
            return refusal;
        }
        self.tend(key.generation);
        // Two copies of the walk, each without the other's questions.
        let claim = match key.mode {
            Mode::Strict => self.claim(key, true, reader, home),
            Mode::Message => self.claim(key, false, reader, home),
        };
        match claim {
            Claim::Won(at) => Admit::Ok(key.ticket(at)),
            Claim::Present => Admit::Replayed,
            Claim::Stale => Admit::Stale,
            Claim::Full => {
                if let Some(counter) = self.control(FULL) {
                    // Relaxed: a counter to look at.
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                Admit::Full
            }
        }
    }

    /// Walks, as [`Self::walk`] and [`Self::admit_by`] say.
    ///
    /// No function is handed to `Option::map` and its like here: it is called where nothing is known of the reader's CPU features, and what reads
    /// lines is no part of it then, but called (`tests/no_calls.rs` sees to it).
    #[inline(always)]
    fn claim<R: ReadLine<LINE>>(&self, key: &NonceKey, strict: bool, reader: R, home: bool) -> Claim {
        match self.walk(key, strict, reader) {
            Some(walk) if home => walk.admit(),
            Some(walk) => walk.admit_anywhere(),
            None => Claim::Full,
        }
    }

    /// [`Self::admit`] for an app that may have at most `cap` live nonces: [`Admit::Full`] beyond.
    pub fn admit_within(&self, key: &NonceKey, now: Millis, shares: &Shares, app: &ShareKey, cap: u64) -> Admit {
        if !shares.room(app, cap, now) {
            return Admit::Full;
        }
        let answer = self.admit(key, now);
        if matches!(answer, Admit::Ok(_)) {
            shares.count(app, key.timestamp);
        }
        answer
    }

    /// What is in the table, read while others change it: a picture, not a moment.
    #[must_use]
    pub fn occupancy(&self, now: Millis) -> Occupancy {
        let generation = self.geometry.period.of(now);
        let mut found = Occupancy { period_ms: self.geometry.period.ms().cast_unsigned(), ..Occupancy::default() };
        for number in 0..self.geometry.pages {
            let Some(page) = self.page(number) else { break };
            for (_, slot) in page.iter().enumerate().filter(|(at, _)| !at.is_multiple_of(LINE)) {
                found.slots += 1;
                // Relaxed: a picture.
                let word = slot.load(Ordering::Relaxed);
                let ahead = word::ahead(word, generation);
                if word == 0 || word::same_tag(word, 0) {
                    found.empty += 1;
                } else if ahead <= -LIFE {
                    found.over += 1;
                } else if let Some(count) = usize::try_from(ahead + LIFE - 1).ok().and_then(|i| found.live.get_mut(i)) {
                    *count += 1;
                    found.released += u64::from(word & word::RELEASED != 0);
                } else {
                    found.ahead += 1;
                }
            }
        }
        found.refused_full = self.refused_full();
        found
    }

    /// [`Self::admit`] for each key in order, with more memory of the next ones under way. Writes as many answers as both slices have room for.
    pub fn admit_batch(&self, keys: &[NonceKey], now: Millis, out: &mut [Admit]) {
        self.lines.enter(Many(self, keys, now, out));
    }

    /// Gives a nonce back: the next identical message is admitted, once. `false` where the ticket's entry is gone (its time is over) or was
    /// given back before.
    pub fn release(&self, ticket: Ticket) -> bool {
        let at = (ticket.slot % PAGE as u64) as usize;
        self.page(ticket.slot / PAGE as u64).is_some_and(|page| page::release::<PAGE, LINE>(page, at, ticket.word))
    }

    /// Messages refused for lack of room since the region was made.
    #[must_use]
    pub fn refused_full(&self) -> u64 {
        // Relaxed: a counter to look at.
        self.control(FULL).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Sweeps what would soon be read as the future, where a sweep is due.
    #[inline]
    fn tend(&self, generation: i64) {
        if self.due(generation) {
            self.sweep(generation);
        }
    }

    /// Whether the table is to be swept before a message of `generation` goes in.
    #[inline(always)]
    fn due(&self, generation: i64) -> bool {
        // Acquire: see `page::sweep`. (What has been swept is an age, so it is no negative number, and no age is near the ends of its type.)
        self.control(SWEPT).is_some_and(|swept| {
            let swept = swept.load(Ordering::Acquire).cast_signed();
            generation.wrapping_sub(self.birth_generation).wrapping_sub(swept) > SWEEP_AFTER.cast_signed()
        })
    }

    #[cold]
    fn sweep(&self, generation: i64) {
        let age = generation.wrapping_sub(self.birth_generation).max(0).cast_unsigned();
        let pages = self.geometry.pages;
        let blank = word::blank(generation.wrapping_sub(BLANK_AGE));
        let (Some(swept), Some(cursor)) = (self.control(SWEPT), self.control(CURSOR)) else { return };
        // Acquire: see `page::sweep`.
        let last = swept.load(Ordering::Acquire);
        let since = age.saturating_sub(last);
        if since > SWEEP_NOW {
            // Nobody admits to a table that is so long unswept without sweeping it: nothing has been put in later than SWEEP_NOW after `last`.
            #[allow(clippy::reversed_empty_ranges)] // nothing is kept
            let keep = if since > SWEEP_ALL { 1..=0 } else { -SWEEP_AWAY..=SWEEP_AWAY };
            for number in 0..pages {
                let still = || swept.load(Ordering::Acquire) == last;
                if !self
                    .page(number)
                    .is_some_and(|page| page::sweep::<PAGE, LINE>(page, generation, &keep, blank, still))
                {
                    return;
                }
            }
        } else {
            // Relaxed: each page goes to one process; one that dies with its page leaves it for the next round, in time still.
            let number = cursor.fetch_add(1, Ordering::Relaxed);
            if let Some(page) = self.page(number).filter(|_| number < pages) {
                page::sweep::<PAGE, LINE>(page, generation, &(-SWEEP_AWAY..=SWEEP_AWAY), blank, || true);
                return;
            }
            cursor.store(0, Ordering::Relaxed);
        }
        // Release: who reads this has every blank before it.
        swept.fetch_max(age, Ordering::Release);
    }
}

/// [`Store::peek`], however lines are read.
struct Peek<'a>(&'a Store, &'a NonceKey);

impl LineWork for Peek<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<R: ReadLine<LINE>>(self, reader: R) -> bool {
        match self.0.walk(self.1, self.1.mode == Mode::Strict, reader) {
            Some(walk) => walk.find() == Find::Present,
            None => false,
        }
    }
}

/// [`Store::admit`] but for [`AtHome`], however lines are read.
struct One<'a>(&'a Store, &'a NonceKey, Millis);

impl LineWork for One<'_> {
    type Output = Admit;

    #[inline(always)]
    fn run<R: ReadLine<LINE>>(self, reader: R) -> Admit {
        self.0.prefetch_more(self.1);
        self.0.admit_by(self.1, self.2, reader, false)
    }
}

/// [`Store::admit`] in message mode, as it usually goes: short enough that a core has begun with the next message before the line of this one has
/// come (between a line's arrival and the next request for one may lie some 200 instructions; see the measurements in ROADMAP).
struct AtHome<'a>(&'a Store, &'a NonceKey, Millis);

impl LineWork for AtHome<'_> {
    type Output = Admit;

    #[inline(always)]
    fn run<R: ReadLine<LINE>>(self, reader: R) -> Admit {
        let Self(store, key, now) = self;
        if store.in_time(key, now)
            && !store.due(key.generation)
            && let Some(walk) = store.walk(key, false, reader)
            && let Some(at) = walk.admit_at_home()
        {
            return Admit::Ok(key.ticket(at));
        }
        store.admit_anywhere(key, now)
    }
}

/// [`Store::admit_batch`], however lines are read.
struct Many<'a>(&'a Store, &'a [NonceKey], Millis, &'a mut [Admit]);

impl LineWork for Many<'_> {
    type Output = ();

    #[inline(always)]
    fn run<R: ReadLine<LINE>>(self, reader: R) {
        let Self(store, keys, now, out) = self;
        for key in keys.iter().take(AHEAD) {
            store.prefetch_more(key);
        }
        for (index, (key, out)) in keys.iter().zip(out).enumerate() {
            if let Some(key) = keys.get(index + AHEAD) {
                store.prefetch_more(key);
            }
            *out = store.admit_by(key, now, reader, true);
        }
    }
}
