//! What this program asks of the API server, as its administrator.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::binaries::Binaries;
use crate::command::{run, run_with_input};
use crate::error::Result;
use crate::paths::State;
use crate::plan::{API_PORT, API_SERVICE, MACHINE, Node};

#[derive(Debug, Clone)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(state: &State, binaries: &Binaries) -> Self {
        Self {
            program: binaries.program("kubectl"),
            kubeconfig: state.kubeconfig("admin"),
            cache: state.live().join("kubectl-cache"),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        self.configure(&mut command);
        command
    }

    fn configure(&self, command: &mut Command) {
        command
            .env_remove("KUBECONFIG")
            .env("KUBECACHEDIR", &self.cache)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String> {
        run(self.command().args(arguments))
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        run_with_input(self.command().args(arguments), input.as_bytes())
    }

    /// Whether the API server takes requests, without waiting for long.
    pub(crate) fn is_ready(&self) -> Result<()> {
        self.run(&["get", "--raw", "/readyz", "--request-timeout=5s"])
            .map(drop)
    }

    /// The same, from inside a node and through the service `kubernetes`.
    pub(crate) fn is_ready_from(&self, node: Node) -> Result<()> {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", node.namespace_file()))
            .arg(&self.program);
        self.configure(&mut command);
        command.args(["get", "--raw", "/readyz", "--request-timeout=5s"]);
        command.arg(format!("--server=https://{API_SERVICE}"));
        run(&mut command).map(drop)
    }

    /// `True`, `False` or `Unknown`; an error if there is no such node.
    pub(crate) fn node_ready(&self, name: &str) -> Result<String> {
        let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        self.run(&["get", "node", name, "-o", path, "--request-timeout=5s"])
    }
}

/// Whether anybody listens there; quicker to ask than any request.
pub(crate) fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

pub(crate) fn api_listens() -> bool {
    listens(SocketAddr::from((MACHINE, API_PORT)))
}
