//! The operator as a process on this machine, in place of the one in the cluster: from there it
//! reaches the agents of fake pods. It has the rights of the chart's service account and no others,
//! and that account's name in the audit log.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::PostParams;
use kube::config::{AuthInfo, Kubeconfig};
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::process::{Child, Command};

use crate::harness::{operator, programs, wait};
use crate::install::operator::{NAMESPACE, RELEASE};
use crate::install::{Cluster, checkout};

/// For pods to be gone, or a leader to be there.
const SOON: Duration = Duration::from_secs(90);
/// The running operator. It ends with this handle.
#[derive(Debug)]
pub(super) struct OutsideOperator {
    child: Child,
    pid: u32,
}

/// As which it is known in the audit log.
pub(super) fn user() -> String {
    format!("system:serviceaccount:{NAMESPACE}:{RELEASE}")
}

impl OutsideOperator {
    /// Takes the operator in the cluster away and starts one here.
    pub(super) async fn start(cluster: &Cluster, client: &Client) -> Result<Self> {
        operator::set_replicas(client, 0).await?;
        let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
        let config = watcher::Config::default().labels(operator::PODS);
        wait::until(
            &pods,
            config,
            "the operator in the cluster to be gone",
            SOON,
            |left: &[&Pod]| {
                if left.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{} pods", left.len()))
                }
            },
        )
        .await?;
        let folder = checkout::root()?.join("target/bench");
        std::fs::create_dir_all(&folder)?;
        let kubeconfig = kubeconfig(cluster, client, &folder).await?;
        let program = programs::find("worldkeeper-operator")?;
        let log = std::fs::File::create(folder.join("operator.log"))?;
        let http_port = free_port()?;
        let mut child = Command::new(&program)
            .arg(format!("--lease-name={RELEASE}"))
            .arg(format!("--lease-namespace={NAMESPACE}"))
            .arg("--lease-duration-seconds=15")
            .arg(format!("--http-port={http_port}"))
            .arg("--log-format=text")
            .env("KUBECONFIG", &kubeconfig)
            .env("POD_NAME", "bench")
            .env("POD_NAMESPACE", NAMESPACE)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child
            .id()
            .context("the operator ended at once; see target/bench/operator.log")?;
        tokio::select! {
            led = leads(client) => led?,
            ended = child.wait() => bail!("the operator ended ({}); see target/bench/operator.log", ended?),
        }
        Ok(Self { child, pid })
    }

    /// Resident memory now, in MiB.
    pub(super) fn rss_mb(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let kib: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .context("no VmRSS of the operator")?;
        Ok(kib / 1_024.0)
    }

    /// Ends it, and puts the one in the cluster back.
    pub(super) async fn stop(mut self, client: &Client) -> Result<()> {
        use nix::sys::signal::{Signal, kill};
        kill(
            nix::unistd::Pid::from_raw(i32::try_from(self.pid)?),
            Signal::SIGTERM,
        )?;
        wait::finish("the operator to end", SOON, async {
            Ok(self.child.wait().await?)
        })
        .await?;
        restore(client).await
    }
}

/// The operator in the cluster, as the chart has it.
pub(super) async fn restore(client: &Client) -> Result<()> {
    operator::set_replicas(client, 2).await?;
    operator::until_ready(client, 2).await
}

/// The cluster's kubeconfig with the service account's token.
async fn kubeconfig(cluster: &Cluster, client: &Client, folder: &Path) -> Result<PathBuf> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(4 * 3_600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request(RELEASE, &PostParams::default(), &request)
        .await?;
    let token = made.status.context("no token was made")?.token;
    let mut config = Kubeconfig::read_from(&cluster.kubeconfig)?;
    for user in &mut config.auth_infos {
        user.auth_info = Some(AuthInfo {
            token: Some(token.clone().into()),
            ..AuthInfo::default()
        });
    }
    let path = folder.join("operator.kubeconfig");
    write_private(&path, &serde_json::to_vec(&config)?)?;
    Ok(path)
}

/// A file that only we can read: it has a token in it.
fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    Ok(())
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16> {
    let probe = std::net::TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    Ok(probe.local_addr()?.port())
}

/// Waits until the process here holds the Lease.
async fn leads(client: &Client) -> Result<()> {
    use k8s_openapi::api::coordination::v1::Lease;
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    wait::until_one(
        &leases,
        RELEASE,
        "the operator here to lead",
        SOON,
        |lease: Option<&Lease>| {
            let holder = lease
                .and_then(|lease| lease.spec.as_ref()?.holder_identity.clone())
                .unwrap_or_default();
            if holder.starts_with("bench") {
                Ok(())
            } else {
                Err(format!("{holder:?} leads"))
            }
        },
    )
    .await
}
