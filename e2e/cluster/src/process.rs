//! The cluster's daemons: started so that they outlive this program, and
//! recognised later without ever taking another process for one of them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::cgroups::{Cgroups, Slice};
use crate::command::{SYSTEM_PATH, last_lines};
use crate::error::{Error, FileContext, Result};
use crate::files;
use crate::paths::State;
use crate::plan::Node;

/// A process id alone may by now be somebody else's; with the time of its
/// start and the boot that this time counts from it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    /// Clock ticks from boot to the start of the process.
    started: u64,
    boot: String,
}

impl Identity {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = parse_stat(&stat)?;
        (!matches!(state, 'Z' | 'X')).then(|| Self {
            pid,
            started,
            boot: boot(),
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    fn kill(&self) {
        if self.is_alive() {
            // It may end by itself in between.
            let _ = signal::kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }
}

/// State and start of a process, from the line in `/proc/PID/stat`. The name
/// in it may hold blanks and parentheses, so fields count from its last one.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // The start is field 22 and the state was field 3.
    let started = fields.nth(22 - 4)?.parse().ok()?;
    Some((state, started))
}

/// Tells one boot of the machine from another.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// Enters a control group, before anything can be forked that would have to be
/// found, and lifts the limit of open files, which containers inherit, to what
/// is allowed: a shell's own is too low for a server with a thousand players.
const ENTER: &str = r#"echo $$ > "$0" && ulimit -Sn "$(ulimit -Hn)" && exec "$@""#;

/// A long-running part of the cluster.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// Unique on the machine; names the record.
    name: String,
    log: PathBuf,
    slice: Slice,
    node: Option<Node>,
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Daemon {
    pub(crate) fn on_machine(state: &State, name: &str, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            log: state.logs().join(format!("{name}.log")),
            slice: Slice::control_plane(),
            node: None,
            program: program.into(),
            arguments: Vec::new(),
        }
    }

    pub(crate) fn on_node(
        state: &State,
        node: Node,
        name: &str,
        program: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: format!("{}-{name}", node.name()),
            log: state.logs().join(node.name()).join(format!("{name}.log")),
            slice: Slice::daemons_of_node(&node.name()),
            node: Some(node),
            program: program.into(),
            arguments: Vec::new(),
        }
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// `--name=value`
    pub(crate) fn flag(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value);
        self.argument(argument)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn log(&self) -> &PathBuf {
        &self.log
    }

    pub(crate) fn is_alive(&self, state: &State) -> bool {
        recorded(state, &self.name).is_some_and(|identity| identity.is_alive())
    }

    /// Starts it unless it runs. Returns whether it was started.
    pub(crate) fn ensure(&self, state: &State, cgroups: &Cgroups) -> Result<bool> {
        if self.is_alive(state) {
            return Ok(false);
        }
        if let Some(folder) = self.log.parent() {
            files::create_folder(folder)?;
        }
        let log = || {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.log)
                .on("open", &self.log)
        };
        cgroups.create(&self.slice)?;
        // Each program replaces the one before, so the process stays the same:
        // it leaves this terminal, then enters its group, then its network.
        let mut command = Command::new("setsid");
        command
            .args(["sh", "-c", ENTER])
            .arg(cgroups.entrance(&self.slice));
        if let Some(node) = self.node {
            command
                .arg("nsenter")
                .arg(format!("--net={}", node.namespace_file()));
        }
        let child = command
            .arg(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .env("HOME", state.live())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?)
            .spawn()
            .map_err(|source| Error::Start {
                program: self.program.display().to_string(),
                source,
            })?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        let identity = Identity::of(pid).ok_or_else(|| self.ended())?;
        let record = serde_json::to_string(&identity).unwrap_or_default();
        files::write(&record_path(state, &self.name), record)?;
        Ok(true)
    }

    /// An error that says why it is not running, in its own words.
    pub(crate) fn ended(&self) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Error::unmet(
            format!("{} ended: {}", self.name, last_lines(&log, 1)),
            format!("its log is {}", self.log.display()),
        )
    }
}

fn record_path(state: &State, name: &str) -> PathBuf {
    state.processes().join(format!("{name}.json"))
}

pub(crate) fn recorded(state: &State, name: &str) -> Option<Identity> {
    let record = fs::read_to_string(record_path(state, name)).ok()?;
    serde_json::from_str(&record).ok()
}

/// All daemons that were started and not stopped on purpose, by name.
pub(crate) fn all_recorded(state: &State) -> Vec<(String, Identity)> {
    let Ok(entries) = fs::read_dir(state.processes()) else {
        return Vec::new();
    };
    let mut found: Vec<(String, Identity)> = entries
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name();
            let name = file.to_str()?.strip_suffix(".json")?;
            Some((name.to_owned(), recorded(state, name)?))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Kills the daemons whose name begins like this and forgets them.
pub(crate) fn stop(state: &State, prefix: &str) -> Result<()> {
    let doomed: Vec<_> = all_recorded(state)
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    for (_, identity) in &doomed {
        identity.kill();
    }
    for (name, identity) in &doomed {
        wait_for_end(name, identity)?;
        files::remove(&record_path(state, name))?;
    }
    Ok(())
}

fn wait_for_end(name: &str, identity: &Identity) -> Result<()> {
    let patience = Duration::from_secs(20);
    let began = Instant::now();
    while identity.is_alive() {
        if began.elapsed() > patience {
            return Err(Error::NotReady {
                what: format!("{name} (process {}) is still there", identity.pid),
                seconds: patience.as_secs(),
                last: "it survives SIGKILL".to_owned(),
                remedy: "it hangs in the kernel; restart the machine".to_owned(),
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_process_is_read_past_any_name() {
        let tail = "S 1 2 2 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 8 0 98765 11 12 13";
        let check = |name: &str| {
            assert_eq!(
                parse_stat(&format!("42 ({name}) {tail}")),
                Some(('S', 98765)),
                "{name}"
            );
        };
        check("etcd");
        check("a b");
        check("evil) R 1 2 3");
        assert_eq!(parse_stat("42 (short) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn a_reused_process_id_is_somebody_else() {
        let own = Identity::of(i32::try_from(std::process::id()).expect("a small number"))
            .expect("this process");
        assert!(own.is_alive());
        let earlier = Identity {
            started: own.started - 1,
            ..own.clone()
        };
        assert!(!earlier.is_alive());
        let other_boot = Identity {
            boot: "another".to_owned(),
            ..own
        };
        assert!(!other_boot.is_alive());
    }

    #[test]
    fn a_process_that_nobody_waited_for_is_not_alive() {
        let mut child = Command::new("true").spawn().expect("a child");
        let pid = i32::try_from(child.id()).expect("a small number");
        let began = Instant::now();
        while Identity::of(pid).is_some() && began.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(Identity::of(pid), None);
        child.wait().expect("its end");
    }
}
