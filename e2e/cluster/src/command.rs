//! Running the machine's own tools to their end.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// System tools lie in the sbin folders, which not every shell searches.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The caller's search path, and after it that of the system.
pub(crate) fn search_path() -> String {
    match std::env::var("PATH") {
        Ok(path) if !path.is_empty() => format!("{path}:{SYSTEM_PATH}"),
        _ => SYSTEM_PATH.to_owned(),
    }
}

/// A tool that is found whatever the caller's search path is.
pub(crate) fn tool(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", search_path());
    command
}

/// Runs to the end and returns what was printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    run_with_input(command, b"")
}

pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    let start_failed = |command: &Command, source| Error::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| start_failed(command, source))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // A program that does not want its input closes it; its exit
                // status tells whether that was an error.
                let _ = stdin.write_all(input);
            }
        });
        child.wait_with_output()
    })
    .map_err(|source| start_failed(command, source))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    Err(Error::Command {
        command: describe(command),
        status: output.status.to_string(),
        output: last_lines(&String::from_utf8_lossy(said), 12),
    })
}

fn describe(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_failure_are_told_apart() {
        assert_eq!(
            run_with_input(&mut tool("cat"), b"passed on").expect("cat"),
            "passed on"
        );
        let failed = run(tool("sh").args(["-c", "echo why >&2; exit 3"]))
            .expect_err("a failure")
            .to_string();
        assert!(failed.contains("why") && failed.contains('3'), "{failed}");
        let missing = run(&mut tool("no-such-tool")).expect_err("a failure");
        assert!(missing.to_string().contains("no-such-tool"), "{missing}");
    }

    #[test]
    fn only_the_end_of_long_output_is_kept() {
        assert_eq!(last_lines("1\n2\n3\n", 2), "2\n3");
        assert_eq!(last_lines("1", 2), "1");
        assert_eq!(last_lines("", 2), "");
    }
}
