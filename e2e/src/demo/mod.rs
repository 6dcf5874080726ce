//! The demo: a fleet, its players, and a table of both while they come and go.

mod script;
mod terminal;
mod view;

use std::{
    fs,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::{
    Api, Client, Resource,
    runtime::{WatchStreamExt, reflector, reflector::Store, watcher},
};
use serde_json::{Value, json};
use worldkeeper_crds::{GameFleet, GameServer, fleet::FleetState, names};

use crate::{
    harness::bots::{Bots, Choice},
    install::{self, Cluster, Images, Installation, checkout, tool},
};
use script::Scene;
use terminal::Terminal;
use view::Scenery;

const NAMESPACE: &str = "worlds-demo";
const FLEET: &str = "fantasy";
const SAMPLE: &str = "config/samples/gamefleet.yaml";
/// Image of the sample, replaced where the images have other names.
const SAMPLE_IMAGE: &str = "localhost/worldkeeper-server:dev";
/// How long the fleet may take to stand.
const LIMIT: Duration = Duration::from_secs(180);

/// Brings everything up and shows a fleet that follows its players
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// How long players come and go
    #[arg(long, default_value_t = 110, value_parser = clap::value_parser!(u64).range(10..))]
    seconds: u64,
    /// The same in minutes
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Nobody plays
    #[arg(long)]
    no_bots: bool,
    /// Remove all that the demo has brought up
    #[arg(long, conflicts_with_all = ["seconds", "minutes", "no_bots"])]
    down: bool,
}

/// The subcommand.
///
/// # Errors
/// When a step fails, with what it said.
pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    if args.down {
        return down().await;
    }
    let Installation { cluster, images } = install::ensure(json!({})).await?;
    tool::step(format!("applying {SAMPLE} in namespace {NAMESPACE}"));
    create_namespace(&cluster).await?;
    apply_sample(&cluster, &images).await?;

    let client = cluster.client().await?;
    let stage = Stage::watch(&client);
    stage.until_ready().await?;
    tool::step("the fleet stands");

    let mut bots = match args.no_bots {
        true => None,
        false => Some(enter_bots(&client)?),
    };
    let length = Duration::from_secs(args.minutes.map_or(args.seconds, |minutes| minutes * 60));
    tokio::select! {
        played = play(&cluster, &stage, bots.as_ref(), length) => played?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bots = None;
        }
    }
    if let Some(bots) = bots {
        println!("\nThe bots leave.");
        let record = bots.stop().await?;
        println!(
            "They were inside {} times, and thrown out {} times.",
            record.summary.joined, record.summary.unexpected_disconnects
        );
    }
    farewell(&cluster, &stage);
    Ok(())
}

/// What is watched while the demo runs.
struct Stage {
    fleets: Store<GameFleet>,
    servers: Store<GameServer>,
}

impl Stage {
    fn watch(client: &Client) -> Self {
        Self {
            fleets: store(Api::namespaced(client.clone(), NAMESPACE)),
            servers: store(Api::namespaced(client.clone(), NAMESPACE)),
        }
    }

    fn fleet(&self) -> Option<std::sync::Arc<GameFleet>> {
        self.fleets
            .find(|fleet| fleet.metadata.name.as_deref() == Some(FLEET))
    }

    async fn until_ready(&self) -> Result<()> {
        tool::until("the fleet stands", LIMIT, || async {
            let status = self.fleet().and_then(|fleet| fleet.status.clone());
            match status {
                Some(status) if status.state == Some(FleetState::Ready) => Ok(()),
                Some(status) => bail!(
                    "{} of {} worlds are ready: {}",
                    status.ready_replicas,
                    status.desired_replicas,
                    status
                        .conditions
                        .iter()
                        .map(|found| format!("{}={} {}", found.type_, found.status, found.message))
                        .collect::<Vec<_>>()
                        .join("; ")
                ),
                None => bail!("the operator has not seen it"),
            }
        })
        .await
    }
}

/// A copy of all objects, kept up to date for as long as this program runs.
fn store<K>(api: Api<K>) -> Store<K>
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (store, writer) = reflector::store();
    let events = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer);
    tokio::spawn(async move {
        let mut events = pin!(events);
        while events.next().await.is_some() {}
    });
    store
}

fn enter_bots(client: &Client) -> Result<Bots> {
    let folder = checkout::root()?.join("target/demo");
    // Spread, so that there are players in every world when the fleet shrinks.
    let mut bots = Bots::start(&folder, "bots", Choice::Spread)?;
    bots.follow_fleet(Api::namespaced(client.clone(), NAMESPACE), FLEET);
    Ok(bots)
}

/// Players come and go by the script, and the table shows it.
async fn play(
    cluster: &Cluster,
    stage: &Stage,
    bots: Option<&Bots>,
    length: Duration,
) -> Result<()> {
    let mut terminal = Terminal::detect();
    let mut frames = tokio::time::interval(terminal.period());
    let mut news: Vec<String> = Vec::new();
    let mut assaulted = false;
    let mut asked_for = 0;
    let began = Instant::now();
    while began.elapsed() < length {
        frames.tick().await;
        let elapsed = began.elapsed();
        let scene = Scene::at(elapsed.as_secs_f64() / length.as_secs_f64());
        let fleet = stage.fleet();
        let servers = stage.servers.state();
        let servers: Vec<&GameServer> = servers
            .iter()
            .map(AsRef::as_ref)
            .filter(|server| belongs(server, FLEET))
            .collect();
        if let Some(bots) = bots {
            let players = scene.players(fleet.as_deref().map_or(0, seats));
            if players != asked_for {
                bots.players(players).await?;
                asked_for = players;
            }
            if scene.assault && !assaulted {
                assaulted = true;
                news.extend(assault(cluster, &servers).await?);
            }
        }
        let status = bots.map(Bots::status);
        terminal.show(
            &Scenery {
                fleet: fleet.as_deref(),
                servers: &servers,
                bots: status.as_ref(),
                caption: if bots.is_some() {
                    scene.caption
                } else {
                    "Nobody plays."
                },
                news: &news,
                seconds: (elapsed.as_secs(), length.as_secs()),
            }
            .text(),
        );
    }
    Ok(())
}

/// Does this world belong to the fleet?
fn belongs(server: &GameServer, fleet: &str) -> bool {
    let labels = server.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(names::LABEL_FLEET))
        .is_some_and(|label| label == fleet)
}

/// Seats of the fleet when it is as large as it can be.
fn seats(fleet: &GameFleet) -> u32 {
    let worlds = match &fleet.spec.autoscaling {
        Some(autoscaling) => autoscaling.max_replicas,
        None => fleet.spec.replicas,
    };
    u32::try_from(worlds.saturating_mul(fleet.spec.world.max_players)).unwrap_or(0)
}

/// Tries what would throw players out, as somebody who does not know better would.
async fn assault(cluster: &Cluster, servers: &[&GameServer]) -> Result<Option<String>> {
    let Some((pod, players)) = view::busiest(servers) else {
        return Ok(None);
    };
    let mut delete = cluster.kubectl()?;
    delete.args([
        "delete",
        "pod",
        &pod,
        "--namespace",
        NAMESPACE,
        "--wait=false",
    ]);
    let answer = match tool::run(&mut delete).await {
        Ok(_) => "NOT refused".into(),
        Err(refused) => {
            let refused = refused.to_string();
            let reason = refused.rsplit_once("denied request: ");
            format!(
                "refused: {}",
                reason.map_or(refused.as_str(), |(_, reason)| reason)
            )
        }
    };
    Ok(Some(format!(
        "kubectl delete pod {pod} ({players} players inside): {answer}"
    )))
}

/// Host ports are allowed in privileged namespaces only; what else the restricted level would not
/// allow is told.
async fn create_namespace(cluster: &Cluster) -> Result<()> {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {
                "pod-security.kubernetes.io/enforce": "privileged",
                "pod-security.kubernetes.io/warn": "restricted",
            },
        },
    });
    let mut apply = cluster.kubectl()?;
    apply.args(["apply", "--server-side", "--field-manager=demo", "-f", "-"]);
    tool::run_with_input(&mut apply, &namespace.to_string())
        .await
        .map(drop)
}

async fn apply_sample(cluster: &Cluster, images: &Images) -> Result<()> {
    let mut apply = cluster.kubectl()?;
    apply.args(["apply", "--namespace", NAMESPACE, "-f"]);
    if images.server.name == SAMPLE_IMAGE {
        return tool::run(apply.arg(SAMPLE)).await.map(drop);
    }
    let sample = fs::read_to_string(checkout::root()?.join(SAMPLE))?;
    let mut fleet: Value = serde_saphyr::from_str(&sample).context(SAMPLE)?;
    *fleet
        .pointer_mut("/spec/server/template/spec/containers/0/image")
        .context("the sample has no image")? = json!(images.server.name);
    tool::run_with_input(apply.arg("-"), &fleet.to_string())
        .await
        .map(drop)
}

fn farewell(cluster: &Cluster, stage: &Stage) {
    let kubeconfig = cluster.kubeconfig.display();
    let mut path = String::new();
    if let Some(folder) = cluster
        .kubectl
        .parent()
        .filter(|folder| folder.is_absolute())
    {
        path = format!(" PATH={}:$PATH", folder.display());
    }
    let pod = stage
        .servers
        .state()
        .iter()
        .find_map(|server| server.status.as_ref()?.pod_name.clone())
        .unwrap_or_else(|| "POD".into());
    println!(
        "
The fleet stays, and the cluster. To look further:

  export KUBECONFIG={kubeconfig}{path}
  kubectl get gf,gs -A -o wide
  kubectl describe gf {FLEET} -n {NAMESPACE}
  kubectl logs -n {NAMESPACE} -l worldkeeper.dev/fleet={FLEET} --prefix
  kubectl port-forward -n {NAMESPACE} pod/{pod} 9090       # then http://127.0.0.1:9090/health/detailed
  kubectl port-forward -n {system} svc/{release} 8080       # then http://127.0.0.1:8080/metrics
  kubectl explain gamefleet.spec --recursive

To remove it all: npx -y rust-just demo-down",
        system = install::operator::NAMESPACE,
        release = install::operator::RELEASE,
    );
}

/// Removes the fleet, as soon as nobody is inside, and then what the demo has brought up.
async fn down() -> Result<()> {
    let Some(cluster) = Cluster::running().await? else {
        tool::step("no cluster is up");
        return install::cluster::worldkeeper_cluster(&["down"]).await;
    };
    tool::step("deleting the fleet; its worlds end when nobody is inside");
    let mut delete = cluster.kubectl()?;
    delete.args(["delete", "gamefleets", "--all", "--ignore-not-found"]);
    delete.args(["--namespace", NAMESPACE, "--timeout=120s"]);
    match tool::run(&mut delete).await {
        Err(error) if error.to_string().contains("doesn't have a resource type") => {}
        deleted => {
            deleted.context(
                "the worlds are not empty, or the operator is not there. `just cluster-down` \
                 removes the machine's own cluster, whoever is inside",
            )?;
        }
    }
    if cluster.own {
        return install::cluster::worldkeeper_cluster(&["down"]).await;
    }
    let mut delete = cluster.kubectl()?;
    delete.args(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
    tool::run(&mut delete).await?;
    tool::step("uninstalling the chart");
    install::operator::uninstall(&cluster).await?;
    tool::step("the CRDs are kept: kubectl delete -f charts/worldkeeper/crds removes them");
    Ok(())
}
