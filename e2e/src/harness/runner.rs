//! Runs scenarios: first those without a cluster; of each kind those that disturb nobody side by side,
//! the others one by one after them.

use std::env;
use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::context::{Ctx, Shared};
use super::machine::Machine;
use super::sweep::Manner;
use super::{Run, Scenario, artifacts, operator, sweep};
use crate::install::{Cluster, Images, checkout, images, operator as chart, tool};
use crate::local::Place;

/// Which scenarios run, and how.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Scenarios to run; all if none is named
    scenarios: Vec<String>,
    /// Print the scenarios and end
    #[arg(long)]
    list: bool,
    /// Print whether the scenarios need a cluster (cluster) or none (local), and end
    #[arg(long)]
    needs: bool,
    /// Repeat what is worth repeating as often as for a scenario that is named
    #[arg(long)]
    full: bool,
    /// Scenarios that run side by side
    #[arg(long, default_value_t = 3, value_name = "N")]
    at_once: usize,
    /// Leave the namespaces of scenarios that failed
    #[arg(long)]
    keep: bool,
    /// Use the operator that is installed, and build nothing
    #[arg(long)]
    as_it_is: bool,
}

/// Longest time for one scenario; each wait in it has its own, shorter one.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// With repeats.
const THOROUGH_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Seconds without a renewal after which the operator's other replica leads.
pub(crate) const LEASE_SECONDS: u64 = 5;
/// Seconds that an agent key is known before it signs. The nodes of the machine's own cluster bring a
/// changed ConfigMap into a pod within ten.
pub(crate) const KEY_OVERLAP_SECONDS: u64 = 30;

#[derive(Clone, Debug)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(&'static str),
}

#[derive(Clone, Debug)]
struct Line {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Runs what the arguments name; `true` if nothing failed.
///
/// # Errors
/// When a name is unknown, or cluster, images or operator do not come up.
pub(crate) async fn run(args: &RunArgs, all: &'static [Scenario]) -> Result<bool> {
    if args.list {
        for scenario in all {
            println!("{:15} {}", scenario.name, scenario.about);
        }
        return Ok(true);
    }
    let chosen = choose(all, &args.scenarios)?;
    let (local, on_cluster): (Vec<&Scenario>, Vec<&Scenario>) = chosen
        .into_iter()
        .partition(|scenario| matches!(scenario.run, Run::Local(_)));
    if args.needs {
        let needs = if on_cluster.is_empty() {
            "local"
        } else {
            "cluster"
        };
        println!("{needs}");
        return Ok(true);
    }
    let thorough = args.full || !args.scenarios.is_empty();
    let mut lines = run_all(local, args.at_once, |scenario| {
        run_local(scenario, thorough)
    })
    .await?;
    if !on_cluster.is_empty() {
        let shared = Arc::new(set_up(args.as_it_is).await?);
        let keep = args.keep;
        let run = |scenario| run_one(Arc::clone(&shared), scenario, thorough, keep);
        lines.extend(run_all(on_cluster, args.at_once, run).await?);
    }
    let (table, passed) = report(&lines);
    print!("{table}");
    Ok(passed)
}

/// Those that disturb nobody `at_once`, then the others one by one.
async fn run_all<F>(
    scenarios: Vec<&'static Scenario>,
    at_once: usize,
    run: impl Fn(&'static Scenario) -> F,
) -> Result<Vec<Line>>
where
    F: Future<Output = Line> + Send + 'static,
{
    let (alone, beside): (Vec<&Scenario>, Vec<&Scenario>) = scenarios
        .into_iter()
        .partition(|scenario| scenario.exclusive);
    let places = Arc::new(Semaphore::new(at_once.max(1)));
    let mut running = JoinSet::new();
    for scenario in beside {
        let places = Arc::clone(&places);
        let work = run(scenario);
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            work.await
        });
    }
    let mut lines = Vec::new();
    while let Some(line) = running.join_next().await {
        lines.push(line.context("the runner itself failed")?);
    }
    for scenario in alone {
        lines.push(run(scenario).await);
    }
    Ok(lines)
}

fn choose(all: &'static [Scenario], wanted: &[String]) -> Result<Vec<&'static Scenario>> {
    if wanted.is_empty() {
        return Ok(all.iter().collect());
    }
    wanted
        .iter()
        .map(
            |name| match all.iter().find(|scenario| scenario.name == name) {
                Some(scenario) => Ok(scenario),
                None => {
                    let names: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
                    bail!(
                        "there is no scenario {name}; there are {}",
                        names.join(", ")
                    )
                }
            },
        )
        .collect()
}

/// The chart's values in scenarios: what takes long elsewhere is short.
pub(crate) fn values() -> Value {
    json!({
        "lease": {"durationSeconds": LEASE_SECONDS},
        "agentKeys": {"overlapSeconds": KEY_OVERLAP_SECONDS},
    })
}

/// One run at a time: each removes what others have left. Held until this process ends.
fn only_run() -> Result<File> {
    let path = env::temp_dir().join("worldkeeper-e2e.lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            tool::step("waiting for another run on this machine to end");
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    Ok(file)
}

/// Cluster, images and operator; and nothing left of a run that was killed.
pub(crate) async fn set_up(as_it_is: bool) -> Result<Shared> {
    let lock = tokio::task::spawn_blocking(only_run).await??;
    let cluster = Cluster::ensure().await?;
    let machine = if cluster.own {
        Some(Machine::find()?)
    } else {
        None
    };
    if let Some(machine) = &machine {
        for node in machine.nodes()? {
            machine.start_node(&node).await?;
        }
    }
    let client = cluster.client().await?;
    sweep::uncordon(&client).await?;
    let server = if as_it_is {
        "localhost/worldkeeper-server:dev".to_owned()
    } else {
        let Images { operator, server } = images::ensure(&cluster).await?;
        let name = server.name.clone();
        chart::install(&cluster, &Images { operator, server }, values()).await?;
        name
    };
    // A benchmark that was interrupted has left none.
    operator::set_replicas(&client, 2).await?;
    operator::until_ready(&client, 2).await?;
    tool::step("removing what earlier runs left");
    sweep::sweep(&client, None, Manner::ByForce).await?;
    let root: PathBuf = checkout::root()?.join("target/e2e");
    std::fs::create_dir_all(&root)?;
    Ok(Shared {
        cluster,
        client,
        image: server,
        machine,
        root,
        _only_run: lock,
    })
}

/// One without a cluster. What it leaves lies in its folder already.
async fn run_local(scenario: &'static Scenario, thorough: bool) -> Line {
    let began = Instant::now();
    let outcome = match try_local(scenario, thorough).await {
        Ok(()) => Outcome::Passed,
        Err(failure) => Outcome::Failed(failure),
    };
    let took = began.elapsed();
    let words = match &outcome {
        Outcome::Failed(failure) => format!("FAILED: {failure}"),
        _ => format!("passed in {} s", took.as_secs()),
    };
    tool::step(format!("{}: {words}", scenario.name));
    Line {
        name: scenario.name,
        outcome,
        took,
    }
}

async fn try_local(scenario: &'static Scenario, thorough: bool) -> Result<(), String> {
    let words = |error: anyhow::Error| format!("{error:#}");
    let place = Place::new(scenario.name, thorough).map_err(words)?;
    // Two runs of one scenario in one checkout would share its folder.
    let lock = tool::lock(place.folder.with_extension("lock")).await;
    let _lock = lock.map_err(words)?;
    artifacts::prepare(&place.folder).map_err(words)?;
    let Run::Local(run) = scenario.run else {
        return Err("it needs a cluster".to_owned());
    };
    let folder = place.folder.clone();
    let result = finish(run(place), thorough).await;
    if let Err(failure) = &result {
        // The outcome is the failure itself; that its file cannot be written would only hide it.
        let _ = std::fs::write(folder.join("failure.txt"), format!("{failure}\n"));
    }
    result
}

/// Runs a scenario as a task of its own, so that a panic is this scenario's failure and no more; not
/// for ever.
async fn finish(
    work: impl Future<Output = Result<()>> + Send + 'static,
    thorough: bool,
) -> Result<(), String> {
    let limit = if thorough { THOROUGH_LIMIT } else { LIMIT };
    let work = tokio::spawn(work);
    let abort = work.abort_handle();
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(result)) => result.map_err(|error| format!("{error:#}")),
        Ok(Err(panic)) => Err(format!("panicked: {panic}")),
        Err(_) => {
            abort.abort();
            Err(format!("took longer than {} s", limit.as_secs()))
        }
    }
}

async fn run_one(
    shared: Arc<Shared>,
    scenario: &'static Scenario,
    thorough: bool,
    keep: bool,
) -> Line {
    let began = Instant::now();
    let line = |outcome| Line {
        name: scenario.name,
        outcome,
        took: began.elapsed(),
    };
    if scenario.own_cluster && shared.machine.is_none() {
        return line(Outcome::Skipped("needs the machine's own cluster"));
    }
    let ctx = match Ctx::new(shared, scenario.name, thorough) {
        Ok(ctx) => ctx,
        Err(error) => return line(Outcome::Failed(format!("{error:#}"))),
    };
    if let Err(error) = artifacts::prepare(&ctx.folder) {
        return line(Outcome::Failed(format!("{error:#}")));
    }
    ctx.say(format!("begins in {}", ctx.namespace));
    let Run::Cluster(run) = scenario.run else {
        return line(Outcome::Failed("it runs without a cluster".to_owned()));
    };
    let mut result = finish(run(ctx.clone()), thorough).await;
    if let Err(failure) = &result {
        failed(&ctx, failure).await;
    }
    if result.is_ok()
        && let Err(error) = sweep::sweep(&ctx.client(), Some(scenario.name), Manner::Politely).await
    {
        let failure = format!("what it made does not go: {error:#}");
        failed(&ctx, &failure).await;
        result = Err(failure);
    }
    if result.is_err()
        && !keep
        && let Err(error) = sweep::sweep(&ctx.client(), Some(scenario.name), Manner::ByForce).await
    {
        ctx.say(format!("its namespace does not go: {error:#}"));
    }
    match result {
        Ok(()) => {
            ctx.say(format!("passed in {} s", began.elapsed().as_secs()));
            line(Outcome::Passed)
        }
        Err(failure) => line(Outcome::Failed(failure)),
    }
}

async fn failed(ctx: &Ctx, failure: &str) {
    ctx.say(format!("FAILED: {failure}"));
    if let Err(error) = artifacts::keep(ctx, failure).await {
        ctx.say(format!("what it left could not be kept: {error:#}"));
    }
}

/// The table and the line of sums; and whether nothing failed.
fn report(lines: &[Line]) -> (String, bool) {
    let mut table = String::from("\n");
    let (mut passed, mut failed) = (0, 0);
    for Line {
        name,
        outcome,
        took,
    } in lines
    {
        let (word, why) = match outcome {
            Outcome::Passed => {
                passed += 1;
                ("passed", "")
            }
            Outcome::Failed(why) => {
                failed += 1;
                ("FAILED", why.lines().next().unwrap_or_default())
            }
            Outcome::Skipped(why) => ("skipped", *why),
        };
        let row = format!("{name:15} {word:8} {:4} s  {why}", took.as_secs());
        let _ = writeln!(table, "{}", row.trim_end());
    }
    let _ = writeln!(table, "{passed} passed, {failed} failed");
    (table, failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_sum_alone() {
        let line = |name, outcome| Line {
            name,
            outcome,
            took: Duration::from_secs(7),
        };
        let (table, passed) = report(&[
            line("apply", Outcome::Passed),
            line("scale", Outcome::Failed("first line\nsecond".into())),
            line("node-loss", Outcome::Skipped("elsewhere")),
        ]);
        assert!(!passed);
        assert!(table.ends_with("\n1 passed, 1 failed\n"), "{table}");
        assert!(
            table.contains("scale           FAILED      7 s  first line\n"),
            "{table}"
        );
        assert!(report(&[line("apply", Outcome::Passed)]).1);
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_there_are() {
        let error = choose(crate::scenarios::ALL, &["aply".into()]).map(drop);
        assert!(error.is_err_and(|error| error.to_string().contains("apply")));
    }
}
