//! Who is alive: a process by its id and the moment it was started, since ids are used again.

use rustix::process::{Pid, test_kill_process};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// When it was started, in clock ticks since boot; 0 where the system does not say.
    pub start: u64,
}

impl Process {
    /// This process.
    #[must_use]
    pub fn own() -> Self {
        let id = std::process::id();
        Self { id, start: start_of(id) }
    }

    /// Whether a process of that id is there that was started then, as far as `mask` leaves bits to compare. In doubt, yes.
    #[must_use]
    pub fn is_alive(&self, mask: u64) -> bool {
        let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw) else { return false };
        if test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
            return false;
        }
        let start = start_of(self.id);
        start == 0 || self.start == 0 || (start ^ self.start) & mask == 0
    }
}

/// Field 22 of `/proc/ID/stat`, counted after the command's name, which ends with the last parenthesis. A zombie counts as gone: 1.
fn start_of(id: u32) -> u64 {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return 0 };
    let Some((_, fields)) = text.rsplit_once(')') else { return 0 };
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return 1;
    }
    fields.nth(18).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_are_told_from_the_dead() {
        let own = Process::own();
        assert!(own.start > 1 || !std::path::Path::new("/proc/self/stat").exists());
        assert!(own.is_alive(u64::MAX));
        assert!(!Process { id: own.id, start: own.start + 1 }.is_alive(u64::MAX) || own.start == 0);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = Process { id: child.id(), start: start_of(child.id()) };
        child.wait().unwrap();
        assert!(!gone.is_alive(u64::MAX));
        assert!(!Process { id: 0, start: 0 }.is_alive(u64::MAX));
    }
}
