//! The machine's own cluster: its nodes can be lost, its processes killed, its audit log read.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;

use super::audit::Mark;
use crate::install::cluster::worldkeeper_cluster;
use crate::install::{checkout, tool};

/// Where `worldkeeper-cluster` keeps the nodes' files.
const NODES: &str = "/var/lib/worldkeeper-cluster/live/nodes";

/// How a node is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    PowerOff,
    Partition,
}

/// The machine's own cluster.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    audit_log: PathBuf,
}

impl Machine {
    pub(crate) fn find() -> Result<Self> {
        Ok(Self {
            audit_log: checkout::root()?.join("target/cluster/log/audit.log"),
        })
    }

    pub(crate) fn audit_mark(&self) -> Result<Mark> {
        Mark::now(&self.audit_log)
    }

    /// Loses a node.
    pub(crate) async fn stop_node(&self, node: &str, loss: Loss) -> Result<()> {
        let how = match loss {
            Loss::PowerOff => "--power-off",
            Loss::Partition => "--partition",
        };
        worldkeeper_cluster(&["stop-node", node, how]).await
    }

    /// Brings a lost node back.
    pub(crate) async fn start_node(&self, node: &str) -> Result<()> {
        worldkeeper_cluster(&["start-node", node]).await
    }

    /// Names of the nodes that run pods in earnest.
    pub(crate) fn nodes(&self) -> Result<Vec<String>> {
        let mut nodes = Vec::new();
        for entry in std::fs::read_dir(NODES).with_context(|| NODES.to_owned())? {
            nodes.push(entry?.file_name().to_string_lossy().into_owned());
        }
        nodes.sort();
        Ok(nodes)
    }

    /// The process of a pod's container, as this machine numbers it.
    ///
    /// # Errors
    /// When it does not run, or is another program than `program`: only that one may be killed.
    pub(crate) async fn process(&self, pod: &Pod, container: &str, program: &str) -> Result<i32> {
        let name = pod.name_any();
        let node = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.clone())
            .with_context(|| format!("pod {name} has no node"))?;
        let id = pod
            .status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten())
            .find(|status| status.name == container)
            .and_then(|status| {
                status
                    .container_id
                    .as_deref()?
                    .strip_prefix("containerd://")
            })
            .with_context(|| format!("container {container} of pod {name} has no id"))?
            .to_owned();
        let socket = Path::new(NODES).join(&node).join("containerd.sock");
        let mut list = Command::new("ctr");
        list.arg("--address").arg(&socket);
        list.args(["--namespace", "k8s.io", "tasks", "list"]);
        let tasks = tool::run(&mut list).await?;
        let pid = pid_of(&tasks, &id).with_context(|| {
            format!("container {container} of pod {name} does not run on {node}")
        })?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline"))?;
        let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        if Path::new(first.as_ref())
            .file_name()
            .is_none_or(|found| found != program)
        {
            bail!("process {pid} of pod {name} is {first}, not {program}");
        }
        Ok(pid)
    }

    /// `kill -9` to the process of a pod's container, and to no other.
    pub(crate) async fn kill(&self, pod: &Pod, container: &str, program: &str) -> Result<i32> {
        let pid = self.process(pod, container, program).await?;
        kill(Pid::from_raw(pid), Signal::SIGKILL).with_context(|| format!("kill -9 {pid}"))?;
        Ok(pid)
    }
}

/// The process of a running task in what `ctr tasks list` prints.
fn pid_of(tasks: &str, id: &str) -> Option<i32> {
    tasks.lines().find_map(|line| {
        let mut columns = line.split_whitespace();
        let found = columns.next()? == id;
        let pid = columns.next()?.parse().ok()?;
        (found && columns.next()? == "RUNNING").then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_by_the_whole_id_of_a_running_task() {
        let tasks = "TASK    PID     STATUS\nabc     12      RUNNING\nabcd    13      RUNNING\nx 14 STOPPED\n";
        for (id, pid) in [
            ("abcd", Some(13)),
            ("abc", Some(12)),
            ("x", None),
            ("ab", None),
            ("TASK", None),
        ] {
            assert_eq!(pid_of(tasks, id), pid, "{id}");
        }
    }
}
