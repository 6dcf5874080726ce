//! A thousand GameServers to Ready on fake nodes, each with a live agent stream, against a plain
//! Deployment of as many pods on the same nodes in the same run; and what the operator writes for it.

use std::fmt::Debug;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use worldkeeper_crds::fleet::condition;
use worldkeeper_crds::{GameFleet, GameServer, names};

use super::figures::{Figures, median};
use super::outside_operator::{self, OutsideOperator};
use crate::harness::audit::{Event, Mark};
use crate::harness::context::LABEL;
use crate::harness::machine::Machine;
use crate::harness::sweep::Manner;
use crate::harness::{fleet, runner, sweep, wait};
use crate::install::cluster::worldkeeper_cluster;
use crate::install::tool;

/// For which the operator is watched while nothing happens.
const IDLE: Duration = Duration::from_secs(30);
/// After the last world is Ready, before the idle time begins: writes that follow at once count for
/// the start.
const SETTLE: Duration = Duration::from_secs(5);
/// For one side to be Ready, or gone.
const LIMIT: Duration = Duration::from_secs(600);
/// Pods of a fake node.
const PODS_PER_NODE: i32 = 250;
const NAME: &str = "bench";

struct Bench {
    client: Client,
    namespace: String,
    machine: Machine,
    count: i32,
}

/// What one start of the fleet cost.
struct Start {
    seconds: f64,
    writes: usize,
    refused: usize,
    idle_writes: usize,
}

pub(super) async fn run(count: i32, rounds: u32) -> Result<()> {
    let shared = runner::set_up(false).await?;
    let Some(machine) = shared.machine.clone() else {
        bail!("this needs the machine's own cluster: its fake nodes and its audit log");
    };
    let nodes = (count + PODS_PER_NODE - 1) / PODS_PER_NODE;
    worldkeeper_cluster(&["fake-nodes", &nodes.to_string()]).await?;
    let bench = Bench {
        client: shared.client.clone(),
        namespace: format!(
            "e2e-bench-{}",
            &uuid::Uuid::new_v4().simple().to_string()[..6]
        ),
        machine,
        count,
    };
    let agent = start_agent().await?;
    let operator = OutsideOperator::start(&shared.cluster, &shared.client).await;
    let result = match &operator {
        Ok(operator) => measure(&bench, operator, rounds).await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    // Whatever came of it: worlds go while there is someone to drain them, then everything is as it was.
    let swept = sweep::sweep(&shared.client, Some(NAME), Manner::ByForce).await;
    match operator {
        Ok(operator) => operator.stop(&shared.client).await?,
        Err(_) => outside_operator::restore(&shared.client).await?,
    }
    drop(agent);
    worldkeeper_cluster(&["fake-nodes", "0"]).await?;
    let figures = result?;
    swept?;
    figures.publish("fleet")
}

/// The process that answers for every fake pod.
async fn start_agent() -> Result<Child> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("fake-agent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the fake agent")?;
    let stdout = child
        .stdout
        .take()
        .context("the fake agent has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    match wait::finish("the fake agent to listen", Duration::from_secs(10), async {
        Ok(lines.next_line().await?)
    })
    .await?
    {
        Some(_) => Ok(child),
        None => bail!("the fake agent does not listen"),
    }
}

async fn measure(bench: &Bench, operator: &OutsideOperator, rounds: u32) -> Result<Figures> {
    bench.make_namespace().await?;
    let (mut deployments, mut starts, mut rss) = (Vec::new(), Vec::new(), 0.0_f64);
    for round in 0..rounds.max(1) {
        let deployment_first = round % 2 == 0;
        if deployment_first {
            deployments.push(bench.deployment().await?);
        }
        starts.push(bench.fleet().await?);
        rss = rss.max(operator.rss_mb()?);
        bench.remove_fleet().await?;
        if !deployment_first {
            deployments.push(bench.deployment().await?);
        }
    }
    figures(bench.count, &deployments, &starts, rss)
}

fn figures(count: i32, deployments: &[f64], starts: &[Start], rss: f64) -> Result<Figures> {
    let seconds: Vec<f64> = starts.iter().map(|start| start.seconds).collect();
    let each = |pick: fn(&Start) -> usize| -> Vec<f64> {
        #[allow(clippy::cast_precision_loss)]
        starts.iter().map(|start| pick(start) as f64).collect()
    };
    let of = |values: &[f64]| median(values).context("nothing was measured");
    let (gameservers_s, deployment_s) = (of(&seconds)?, of(deployments)?);
    let mut figures = Figures::default();
    figures.put("gameservers", f64::from(count));
    figures.put("gameservers_s", gameservers_s);
    figures.put("deployment_s", deployment_s);
    figures.put("ratio", gameservers_s / deployment_s);
    figures.put(
        "api_writes_per_gameserver",
        of(&each(|start| start.writes))? / f64::from(count),
    );
    figures.put(
        "api_writes_refused_per_gameserver",
        of(&each(|start| start.refused))? / f64::from(count),
    );
    figures.put("operator_rss_mb", rss);
    figures.put(
        "idle_api_writes_per_s",
        of(&each(|start| start.idle_writes))? / IDLE.as_secs_f64(),
    );
    let all = |values: &[f64]| {
        values
            .iter()
            .map(|value| format!("{value:.1}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    figures.note(
        "rounds",
        format!(
            "{}; gameservers_s {}; deployment_s {}; the deployment first in odd rounds, the fleet first in even ones; medians",
            starts.len(),
            all(&seconds),
            all(deployments)
        ),
    );
    Ok(figures)
}

/// Where fake nodes are, and only there.
fn placed(containers: &Value) -> Value {
    json!({
        "nodeSelector": {"type": "kwok"},
        "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
        "containers": containers,
    })
}

fn container() -> Value {
    json!([{"name": "server", "image": "localhost/fake:dev", "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}])
}

impl Bench {
    async fn make_namespace(&self) -> Result<()> {
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {
                "name": self.namespace,
                "labels": {LABEL: NAME},
                // What plays the kubelet here ends a pod by taking its finalizers away.
                "annotations": {names::ANNOTATION_BREAK_GLASS: "fake pods, in which nobody plays"},
            },
        }))?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .create(&PostParams::default(), &namespace)
            .await?;
        Ok(())
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Seconds from the Deployment's making until all of its pods are ready.
    async fn deployment(&self) -> Result<f64> {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": NAME},
            "spec": {
                "replicas": self.count,
                "selector": {"matchLabels": {"app": NAME}},
                "template": {"metadata": {"labels": {"app": NAME}}, "spec": placed(&container())},
            },
        }))?;
        let api: Api<Deployment> = self.api();
        let began = Instant::now();
        api.create(&PostParams::default(), &deployment).await?;
        wait::until_one(
            &api,
            NAME,
            "the Deployment's pods to be ready",
            LIMIT,
            |seen: Option<&Deployment>| {
                let ready = seen
                    .and_then(|seen| seen.status.as_ref()?.ready_replicas)
                    .unwrap_or_default();
                if ready == self.count {
                    Ok(())
                } else {
                    Err(format!("{ready} are"))
                }
            },
        )
        .await?;
        let seconds = began.elapsed().as_secs_f64();
        tool::step(format!("Deployment of {} pods: {seconds:.1} s", self.count));
        api.delete(NAME, &DeleteParams::foreground()).await?;
        self.until_none::<Pod>("no pod left").await?;
        Ok(seconds)
    }

    /// The fleet's start, and what the operator wrote for it and after it.
    async fn fleet(&self) -> Result<Start> {
        let object = json!({
            "apiVersion": "worldkeeper.dev/v1alpha1",
            "kind": "GameFleet",
            "metadata": {"name": NAME},
            "spec": {
                "replicas": self.count,
                "world": {"genre": "SciFi", "maxPlayers": 20, "size": 512},
                "server": {
                    "template": {"spec": placed(&container())},
                    "ports": [{"name": "play", "containerPort": 7777}],
                },
            },
        });
        let api: Api<GameFleet> = self.api();
        let mark = self.machine.audit_mark()?;
        let began = Instant::now();
        api.patch(NAME, &PatchParams::apply("bench"), &Patch::Apply(&object))
            .await?;
        wait::until_one(
            &api,
            NAME,
            "all GameServers to be Ready",
            LIMIT,
            |seen: Option<&GameFleet>| {
                let known = seen.is_some_and(|seen| {
                    fleet::is_true(fleet::fleet_condition(seen, condition::PLAYERS_KNOWN))
                });
                match fleet::settled(seen, self.count) {
                    Ok(()) if known => Ok(()),
                    _ => Err(fleet::describe_fleet(seen)),
                }
            },
        )
        .await?;
        let seconds = began.elapsed().as_secs_f64();
        tool::step(format!(
            "{} GameServers Ready, each with its agent's stream: {seconds:.1} s",
            self.count
        ));
        let servers: Api<GameServer> = self.api();
        // Whatever is written now, while nothing happens, is watched for: the audit log counts it.
        wait::throughout(
            &servers,
            watcher::Config::default(),
            "all worlds there",
            SETTLE,
            |_: &[&GameServer]| Ok(()),
        )
        .await?;
        let settled = Timestamp::now();
        wait::throughout(
            &servers,
            watcher::Config::default(),
            "all worlds there",
            IDLE,
            |seen: &[&GameServer]| {
                if i32::try_from(seen.len()) == Ok(self.count) {
                    Ok(())
                } else {
                    Err(format!("{} worlds", seen.len()))
                }
            },
        )
        .await?;
        let end = Timestamp::now();
        writes(&mark, seconds, settled, end)
    }

    async fn remove_fleet(&self) -> Result<()> {
        let api: Api<GameFleet> = self.api();
        api.delete(NAME, &DeleteParams::background()).await?;
        self.until_none::<GameServer>("no GameServer left").await?;
        self.until_none::<Pod>("no pod left").await?;
        self.until_none::<GameFleet>("no fleet left").await
    }

    async fn until_none<K>(&self, what: &str) -> Result<()>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        wait::until(
            &self.api::<K>(),
            watcher::Config::default(),
            what,
            LIMIT,
            |left: &[&K]| match left.first() {
                None => Ok(()),
                Some(first) => Err(format!(
                    "{} left, the first {}",
                    left.len(),
                    first.name_any()
                )),
            },
        )
        .await
    }
}

/// The operator's requests that change something, without its Lease.
fn writes(mark: &Mark, seconds: f64, settled: Timestamp, end: Timestamp) -> Result<Start> {
    let user = outside_operator::user();
    let events = mark.events(|event: &Event| {
        event.user.username == user
            && event.is_write()
            && !event.is_about("leases")
            && event.stage_timestamp <= end
    })?;
    let (start, idle): (Vec<_>, Vec<_>) = events
        .iter()
        .partition(|event| event.stage_timestamp <= settled);
    Ok(Start {
        seconds,
        writes: start.len(),
        refused: start.iter().filter(|event| !event.succeeded()).count(),
        idle_writes: idle.len(),
    })
}
