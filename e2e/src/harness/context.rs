//! What a scenario is given.

use std::fmt::Debug;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use worldkeeper_crds::{GameFleet, GameServer, names};

use super::audit::Mark;
use super::bots::{Bots, Choice};
use super::fleet::{Fleet, describe_all, settled};
use super::machine::Machine;
use super::wait::{self, Seen};
use crate::install::{Cluster, tool};

/// Label of every namespace of a scenario, with the scenario's name.
pub(crate) const LABEL: &str = "worldkeeper-e2e";
/// Field manager of everything that a scenario applies.
pub(crate) const MANAGER: &str = "worldkeeper-e2e";
/// For a world to be Ready, with the machine busy.
pub(crate) const READY: Duration = Duration::from_secs(120);
/// For the operator to act on what it sees.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// For objects to be gone after their players.
pub(crate) const GONE: Duration = Duration::from_secs(120);

/// What all scenarios of a run share.
pub(crate) struct Shared {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    /// Image of the world server.
    pub(crate) image: String,
    /// The machine's own cluster, if it is that.
    pub(crate) machine: Option<Machine>,
    /// Where each scenario leaves its files.
    pub(crate) root: PathBuf,
    /// Keeps other runs away from the machine.
    pub(crate) _only_run: File,
}

/// A scenario's own place.
#[derive(Clone)]
pub(crate) struct Ctx {
    pub(crate) shared: Arc<Shared>,
    pub(crate) scenario: &'static str,
    pub(crate) namespace: String,
    /// `target/e2e/NAME`.
    pub(crate) folder: PathBuf,
    /// Repeats of what is worth repeating: many when the scenario was named.
    pub(crate) thorough: bool,
    /// The audit log when the scenario began.
    pub(crate) mark: Option<Mark>,
    namespaces: Arc<AtomicU32>,
}

/// How Pod Security treats a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Privileged,
    Baseline,
    Restricted,
}

impl Security {
    fn level(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

/// What kubectl answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) success: bool,
    /// Both outputs.
    pub(crate) text: String,
}

impl Answer {
    /// The text of a success.
    pub(crate) fn ok(self, what: &str) -> Result<String> {
        if self.success {
            Ok(self.text)
        } else {
            bail!("{what} failed: {}", self.text.trim())
        }
    }

    /// The text of a refusal, which names every one of `words`.
    pub(crate) fn refused(self, what: &str, words: &[&str]) -> Result<String> {
        if self.success {
            bail!("{what} was not refused: {}", self.text.trim());
        }
        for word in words {
            if !self.text.contains(word) {
                bail!(
                    "{what} was refused, but not with the word {word:?}: {}",
                    self.text.trim()
                );
            }
        }
        Ok(self.text)
    }
}

impl Ctx {
    pub(crate) fn new(shared: Arc<Shared>, scenario: &'static str, thorough: bool) -> Result<Self> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let mark = shared
            .machine
            .as_ref()
            .map(Machine::audit_mark)
            .transpose()?;
        Ok(Self {
            namespace: format!("e2e-{scenario}-{}", &id[..6]),
            folder: shared.root.join(scenario),
            shared,
            scenario,
            thorough,
            mark,
            namespaces: Arc::default(),
        })
    }

    /// A line of progress.
    pub(crate) fn say(&self, message: impl AsRef<str>) {
        tool::step(format!("{}: {}", self.scenario, message.as_ref()));
    }

    pub(crate) fn client(&self) -> Client {
        self.shared.client.clone()
    }

    /// The machine's own cluster; scenarios that ask for it are not run elsewhere.
    pub(crate) fn machine(&self) -> Result<&Machine> {
        self.shared
            .machine
            .as_ref()
            .context("this needs the machine's own cluster")
    }

    /// The API of a kind in the scenario's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client(), &self.namespace)
    }

    pub(crate) fn fleets(&self) -> Api<GameFleet> {
        self.api()
    }

    pub(crate) fn worlds(&self) -> Api<GameServer> {
        self.api()
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        self.api()
    }

    /// Makes the scenario's namespace.
    pub(crate) async fn make_namespace(&self, security: Security) -> Result<()> {
        self.create_namespace(&self.namespace, security).await
    }

    /// The same scenario in a further namespace.
    pub(crate) async fn another(&self, security: Security) -> Result<Self> {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed) + 1;
        let namespace = format!("{}-{number}", self.namespace);
        self.create_namespace(&namespace, security).await?;
        Ok(Self {
            namespace,
            ..self.clone()
        })
    }

    /// The same scenario, looking at a namespace that is there.
    pub(crate) fn at(&self, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    async fn create_namespace(&self, name: &str, security: Security) -> Result<()> {
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {
                LABEL: self.scenario,
                "pod-security.kubernetes.io/enforce": security.level(),
            }},
        }))?;
        let namespaces: Api<Namespace> = Api::all(self.client());
        namespaces
            .create(&PostParams::default(), &namespace)
            .await?;
        Ok(())
    }

    /// Applies a fleet.
    pub(crate) async fn apply(&self, fleet: &Fleet) -> Result<GameFleet> {
        self.apply_object(&fleet.object(&self.namespace, &self.shared.image))
            .await
    }

    /// Applies an object that is a fleet.
    pub(crate) async fn apply_object(&self, object: &Value) -> Result<GameFleet> {
        let name = object["metadata"]["name"]
            .as_str()
            .context("the fleet has no name")?;
        let applied = self
            .fleets()
            .patch(
                name,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(object),
            )
            .await?;
        Ok(applied)
    }

    /// Applies a fleet, and waits until all its worlds are Ready; the worlds by name.
    pub(crate) async fn ready(&self, fleet: &Fleet, worlds: i32) -> Result<Vec<GameServer>> {
        self.apply(fleet).await?;
        self.until_settled(fleet.name(), worlds).await?;
        self.worlds_of(fleet.name()).await
    }

    /// Waits until the fleet has exactly these worlds, all of them Ready.
    pub(crate) async fn until_settled(&self, fleet: &str, worlds: i32) -> Result<()> {
        self.fleet_until(
            fleet,
            &format!("fleet {fleet} with {worlds} Ready worlds"),
            READY,
            |fleet| settled(fleet, worlds),
        )
        .await
    }

    /// Sets `spec.replicas` as `kubectl scale` does.
    pub(crate) async fn scale(&self, fleet: &str, replicas: i32) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let params = PatchParams::default();
        self.fleets().patch_scale(fleet, &params, &patch).await?;
        Ok(())
    }

    pub(crate) async fn fleet_until<T>(
        &self,
        fleet: &str,
        what: &str,
        within: Duration,
        check: impl FnMut(Option<&GameFleet>) -> Seen<T>,
    ) -> Result<T> {
        wait::until_one(&self.fleets(), fleet, what, within, check).await
    }

    pub(crate) async fn world_until<T>(
        &self,
        world: &str,
        what: &str,
        within: Duration,
        check: impl FnMut(Option<&GameServer>) -> Seen<T>,
    ) -> Result<T> {
        wait::until_one(&self.worlds(), world, what, within, check).await
    }

    /// Waits for what all worlds of a fleet together become.
    pub(crate) async fn worlds_until<T>(
        &self,
        fleet: &str,
        what: &str,
        within: Duration,
        check: impl FnMut(&[&GameServer]) -> Seen<T>,
    ) -> Result<T> {
        wait::until(&self.worlds(), of_fleet(fleet), what, within, check).await
    }

    /// The worlds of a fleet, by name.
    pub(crate) async fn worlds_of(&self, fleet: &str) -> Result<Vec<GameServer>> {
        let params = kube::api::ListParams::default().labels(&fleet_selector(fleet));
        let mut worlds = self.worlds().list(&params).await?.items;
        worlds.sort_by_key(ResourceExt::name_any);
        Ok(worlds)
    }

    /// Waits until no world and no game pod of the fleet is left, nor the fleet.
    pub(crate) async fn until_gone(&self, fleet: &str) -> Result<()> {
        self.until_none(&self.worlds(), fleet).await?;
        self.until_none(&self.pods(), fleet).await?;
        self.fleet_until(
            fleet,
            &format!("fleet {fleet} to be gone"),
            GONE,
            |fleet| match fleet {
                None => Ok(()),
                Some(fleet) => Err(format!("finalizers {:?}", fleet.finalizers())),
            },
        )
        .await
    }

    /// Waits until the fleet has no object of this kind.
    pub(crate) async fn until_none<K>(&self, api: &Api<K>, fleet: &str) -> Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let what = format!("no {} of fleet {fleet}", K::kind(&()));
        wait::until(api, of_fleet(fleet), &what, GONE, |left: &[&K]| {
            if left.is_empty() {
                Ok(())
            } else {
                let names: Vec<String> = left.iter().map(|object| object.name_any()).collect();
                Err(names.join(", "))
            }
        })
        .await
    }

    /// Watches for the whole period that `check` finds nothing wrong with the worlds of a fleet.
    pub(crate) async fn worlds_throughout(
        &self,
        fleet: &str,
        what: &str,
        period: Duration,
        mut check: impl FnMut(&[&GameServer]) -> bool,
    ) -> Result<()> {
        wait::throughout(
            &self.worlds(),
            of_fleet(fleet),
            what,
            period,
            |worlds: &[&GameServer]| {
                if check(worlds) {
                    Ok(())
                } else {
                    Err(describe_all(worlds))
                }
            },
        )
        .await
    }

    /// Watches for the whole period that these pods are there and not told to end.
    pub(crate) async fn pods_stay(&self, pods: &[String], period: Duration) -> Result<()> {
        let what = format!("pods {} untouched", pods.join(", "));
        wait::throughout(
            &self.pods(),
            watcher::Config::default(),
            &what,
            period,
            |seen: &[&Pod]| {
                for name in pods {
                    match seen.iter().find(|pod| pod.name_any() == *name) {
                        None => return Err(format!("{name} is gone")),
                        Some(pod) if pod.metadata.deletion_timestamp.is_some() => {
                            return Err(format!("{name} is told to end"));
                        }
                        Some(_) => {}
                    }
                }
                Ok(())
            },
        )
        .await
    }

    /// Players for the worlds of this namespace.
    pub(crate) fn bots(&self, name: &str, choice: Choice) -> Result<Bots> {
        let mut bots = Bots::start(&self.folder, name, choice)?;
        bots.follow(self.worlds(), None);
        Ok(bots)
    }

    /// kubectl in this namespace.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<Answer> {
        self.kubectl_with(arguments, "").await
    }

    /// kubectl in this namespace, with this on its standard input.
    pub(crate) async fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<Answer> {
        let mut command = self.shared.cluster.kubectl()?;
        command
            .arg("--namespace")
            .arg(&self.namespace)
            .args(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            use tokio::io::AsyncWriteExt;
            // kubectl may end without reading; its answer tells.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let what = format!("kubectl {}", arguments.join(" "));
        let output = wait::finish(&what, Duration::from_secs(180), async {
            Ok(child.wait_with_output().await?)
        })
        .await?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(Answer {
            success: output.status.success(),
            text,
        })
    }
}

fn fleet_selector(fleet: &str) -> String {
    format!("{}={fleet}", names::LABEL_FLEET)
}

/// Watches the objects of a fleet.
pub(crate) fn of_fleet(fleet: &str) -> watcher::Config {
    watcher::Config::default().labels(&fleet_selector(fleet))
}
