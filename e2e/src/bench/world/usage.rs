//! What processes and cores take, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Of the times in `/proc`: the kernel shows them in hundredths of a second on every architecture that
/// we build for, whatever it counts in itself (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Time that all threads of a process have run for, those that have ended included.
pub(super) fn process(pid: u32) -> Result<Duration> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file).with_context(|| file.clone())?;
    process_time(&text).with_context(|| format!("{file} makes no sense: {text}"))
}

/// `utime` and `stime` of proc_pid_stat(5). The second field, the program's name, may hold anything.
fn process_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(TICK * next()?.checked_add(next()?)?)
}

/// Time in which a core was not idle, whoever used it.
pub(super) fn core(number: usize) -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    core_time(&text, number).with_context(|| format!("/proc/stat has no core {number}"))
}

/// All fields of proc_stat(5) but idle and iowait, and but those that others include.
fn core_time(stat: &str, number: usize) -> Option<Duration> {
    let name = format!("cpu{number} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    let fields: Vec<u32> = line
        .split_ascii_whitespace()
        .map(|field| field.parse().ok())
        .collect::<Option<_>>()?;
    let [user, nice, system, _, _, irq, softirq, steal, ..] = fields[..] else {
        return None;
    };
    let busy = [user, nice, system, irq, softirq, steal];
    Some(busy.into_iter().map(|time| TICK * time).sum())
}

/// Memory of a process in user space, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Resident now.
    pub(super) resident: u32,
    /// Most that was ever resident.
    pub(super) peak: u32,
}

/// What a process has resident.
pub(super) fn memory(pid: u32) -> Result<Memory> {
    let file = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&file).with_context(|| file.clone())?;
    memory_of(&text).with_context(|| format!("{file} makes no sense"))
}

fn memory_of(status: &str) -> Option<Memory> {
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(Memory {
        resident: of("VmRSS:")?,
        peak: of("VmHWM:")?,
    })
}

/// In percent of one core over a time.
pub(super) fn percent(used: Duration, over: Duration) -> f64 {
    100.0 * used.as_secs_f64() / over.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_program_is_called() {
        for name in ["bun", "a b", "x) R 1 2", "("] {
            let stat = format!(
                "41 ({name}) S 1 41 41 0 -1 4194304 9 0 0 0 150 250 7 8 20 0 9 0 77 1 2 3 4"
            );
            let expect = Some(Duration::from_secs(4));
            assert_eq!(process_time(&stat), expect, "{name}");
        }
        assert_eq!(process_time("41 (bun) S 1 41"), None);
    }

    #[test]
    fn a_core_is_busy_when_it_is_not_idle() {
        let stat = "cpu  1 1 1 1 1 1 1 1 1 1\ncpu0 10 20 30 9999 9999 40 50 60 10 20\ncpu10 1 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(core_time(stat, 0), Some(Duration::from_millis(2_100)));
        assert_eq!(core_time(stat, 10), Some(Duration::from_millis(10)));
        assert_eq!(core_time(stat, 1), None);
    }

    #[test]
    fn memory_in_kib() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let expect = Memory {
            resident: 1024,
            peak: 2048,
        };
        assert_eq!(memory_of(status), Some(expect));
        assert_eq!(memory_of("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_is_measured() -> Result<()> {
        let own = std::process::id();
        process(own)?;
        core(0)?;
        let Memory { resident, peak } = memory(own)?;
        assert!(0 < resident && resident <= peak);
        Ok(())
    }
}
