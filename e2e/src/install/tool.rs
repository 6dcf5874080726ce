//! Other programs: run to their end, with what they said when they fail.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt, process::Command};

use super::checkout;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One line for a step, with the time since the first one.
pub(crate) fn step(message: impl AsRef<str>) {
    let elapsed = BEGAN.elapsed().as_secs_f64();
    println!("[{elapsed:6.1}s] {}", message.as_ref());
}

/// A program in the checkout's root, ended with us, that reads nothing.
///
/// # Errors
/// When there is no checkout.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new(program);
    command
        .current_dir(checkout::root()?)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

/// Runs to the end and returns what was printed.
///
/// # Errors
/// When it cannot be started, or fails: with the end of what it said.
pub(crate) async fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .await
        .with_context(|| format!("cannot start {}", describe(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    bail!(
        "{} failed ({}):\n{}",
        describe(command),
        output.status,
        last_lines(&String::from_utf8_lossy(said), 30)
    )
}

/// Runs to the end with this input, and returns what was printed.
///
/// # Errors
/// As [`run`].
pub(crate) async fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", describe(command)))?;
    let mut stdin = child.stdin.take().context("the child has no input")?;
    let write = async move {
        // A program that does not want its input closes it; its status tells whether that matters.
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    bail!(
        "{} failed ({}):\n{}",
        describe(command),
        output.status,
        last_lines(&String::from_utf8_lossy(&output.stderr), 30)
    )
}

/// Runs to the end, its output passed on as it comes.
///
/// # Errors
/// When it cannot be started, or fails.
pub(crate) async fn run_visibly(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .await
        .with_context(|| format!("cannot start {}", describe(command)))?;
    if status.success() {
        return Ok(());
    }
    bail!("{} failed ({status})", describe(command))
}

/// Waits until no other process holds this file, and holds it as long as the answer lives.
///
/// # Errors
/// When the file cannot be made.
pub(crate) async fn lock(path: PathBuf) -> Result<File> {
    let at = path.display().to_string();
    let take = move || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::create(&path)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            step(format!(
                "waiting for another process that holds {}",
                path.display()
            ));
            file.lock()?;
        }
        Ok::<_, std::io::Error>(file)
    };
    tokio::task::spawn_blocking(take)
        .await?
        .with_context(|| format!("cannot lock {at}"))
}

/// Is this program found on the search path?
#[must_use]
pub(crate) fn on_path(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| is_program(&folder.join(name)))
    })
}

/// Is this a file that may be run?
#[must_use]
pub(crate) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Calls until it answers, at most for this long.
///
/// # Errors
/// The last error, when the time is over.
pub(crate) async fn until<T, F, Fut>(what: &str, limit: Duration, mut attempt: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let began = Instant::now();
    loop {
        match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(error) if began.elapsed() >= limit => {
                return Err(error.context(format!("{what}: not within {} s", limit.as_secs())));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

fn describe(command: &Command) -> String {
    let command = command.as_std();
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
