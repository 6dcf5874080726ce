//! The cluster that everything runs in: the machine's own, or one that is given.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use kube::{Client, Config, config::Kubeconfig};
use tokio::process::Command;

use super::{checkout, tool};

/// Environment variable that names the kubeconfig of another cluster. It is used as it is: nothing
/// is started, and no image is loaded.
pub(crate) const KUBECONFIG: &str = "WORLDKEEPER_KUBECONFIG";

/// A cluster, and the tools to talk to it.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// Its kubeconfig.
    pub(crate) kubeconfig: PathBuf,
    /// The kubectl program.
    pub(crate) kubectl: PathBuf,
    /// The helm program.
    pub(crate) helm: PathBuf,
    /// It is the machine's own: nodes can be stopped, images loaded, its audit log read.
    pub(crate) own: bool,
}

impl Cluster {
    /// The given cluster, or the machine's own, brought up if it is not.
    ///
    /// # Errors
    /// When the given file is not there, or the cluster does not come up.
    pub(crate) async fn ensure() -> Result<Self> {
        let cluster = Self::locate()?;
        if cluster.own {
            worldkeeper_cluster(&["up"]).await?;
            return Ok(cluster);
        }
        let file = cluster.kubeconfig.display();
        if !cluster.kubeconfig.is_file() {
            bail!("{KUBECONFIG}={file} is not there");
        }
        tool::step(format!("using the cluster of {file}"));
        let found = |program: &Path| program.is_relative() || tool::is_program(program);
        if !found(&cluster.kubectl) || !found(&cluster.helm) {
            tool::step("kubectl and helm are not on the search path: building them");
            worldkeeper_cluster(&["build"]).await?;
        }
        Ok(cluster)
    }

    /// The given cluster, or the machine's own, if it answers.
    ///
    /// # Errors
    /// When there is no checkout.
    pub(crate) async fn running() -> Result<Option<Self>> {
        let cluster = Self::locate()?;
        if !cluster.kubeconfig.is_file() {
            return Ok(None);
        }
        let mut ready = cluster.kubectl()?;
        ready.args(["get", "--raw=/readyz", "--request-timeout=5s"]);
        Ok(tool::run(&mut ready).await.is_ok().then_some(cluster))
    }

    fn locate() -> Result<Self> {
        let root = checkout::root()?;
        let built = root.join("target/cluster/bin");
        let Some(given) = env::var_os(KUBECONFIG) else {
            return Ok(Self {
                kubeconfig: root.join("target/cluster/kubeconfig"),
                kubectl: built.join("kubectl"),
                helm: built.join("helm"),
                own: true,
            });
        };
        let program = |name: &str| {
            if tool::on_path(name) {
                PathBuf::from(name)
            } else {
                built.join(name)
            }
        };
        Ok(Self {
            kubeconfig: env::current_dir()?.join(given),
            kubectl: program("kubectl"),
            helm: program("helm"),
            own: false,
        })
    }

    /// A client with the kubeconfig's rights.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub(crate) async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// kubectl for this cluster.
    ///
    /// # Errors
    /// When there is no checkout.
    pub(crate) fn kubectl(&self) -> Result<Command> {
        let mut command = tool::command(&self.kubectl)?;
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        Ok(command)
    }

    /// helm for this cluster.
    ///
    /// # Errors
    /// When there is no checkout.
    pub(crate) fn helm(&self) -> Result<Command> {
        let mut command = tool::command(&self.helm)?;
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        Ok(command)
    }

    /// Puts an image archive on every node of the machine's own cluster.
    ///
    /// # Errors
    /// When the cluster is not the machine's own, or the nodes do not take the image.
    pub(crate) async fn load(&self, archive: &Path) -> Result<()> {
        if !self.own {
            bail!("images cannot be loaded into the cluster of {KUBECONFIG}");
        }
        let archive = archive
            .to_str()
            .context("the archive's path is not UTF-8")?;
        worldkeeper_cluster(&["load", archive]).await
    }
}

/// Runs `worldkeeper-cluster`: the one beside this program, or else as the checkout has it now.
///
/// # Errors
/// When it cannot be built, or fails; it has said why.
pub(crate) async fn worldkeeper_cluster(arguments: &[&str]) -> Result<()> {
    let beside = env::current_exe()?.with_file_name("worldkeeper-cluster");
    let mut command = if tool::is_program(&beside) {
        tool::command(beside)?
    } else {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = tool::command(cargo)?;
        command.args(["run", "--quiet", "--package", "worldkeeper-cluster", "--"]);
        command
    };
    tool::run_visibly(command.args(arguments)).await
}
