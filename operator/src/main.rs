//! `worldkeeper-operator`: one leader among its replicas keeps the worlds; the others wait with full
//! caches.

use std::{
    io,
    net::Ipv4Addr,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use clap::Parser as _;
use kube::Client;
use tokio::task::JoinError;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use worldkeeper_operator::{
    agent::KeyConfig,
    args::{Cli, Command, LogFormat, RunArgs},
    cache::Cache,
    controllers::{self, Settings},
    http::{self, Health},
    lease::{self, LeaseConfig, LeaseError, LeaseManager},
    telemetry::Metrics,
    uninstall,
};

/// Time for what is under way after SIGTERM; less than a pod's default grace period.
const FINISH: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.run.log_format);
    let outcome = match cli.command {
        Some(Command::UninstallCheck) => uninstall_check().await,
        None => run(cli.run).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stdout);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
}

async fn uninstall_check() -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("no way to the API server")?;
    match uninstall::check(client)
        .await
        .context("cannot list the worlds")?
    {
        None => {
            tracing::info!("no worlds are left; the operator can be uninstalled");
            Ok(())
        }
        Some(reason) => Err(anyhow!(reason)),
    }
}

async fn run(args: RunArgs) -> anyhow::Result<()> {
    let identity = args
        .identity
        .clone()
        .unwrap_or_else(lease::default_identity);
    let lease = LeaseConfig::new(
        &args.lease_namespace,
        &args.lease_name,
        &identity,
        args.lease_duration(),
    )?;
    let keys = KeyConfig::new(
        &args.lease_namespace,
        &args.agent_key_secret,
        Duration::from_secs(args.agent_key_rotation_seconds),
        Duration::from_secs(args.agent_key_overlap_seconds),
    )?;
    let client = Client::try_default().await.context(
        "no way to the API server: run in a pod with a service account, or set KUBECONFIG",
    )?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, args.http_port))
        .await
        .with_context(|| format!("cannot listen on --http-port {}", args.http_port))?;

    let metrics = Metrics::new();
    let (manager, leadership) = LeaseManager::new(client.clone(), lease, metrics.clone());
    let synced = Arc::new(AtomicBool::new(false));
    let cache = Arc::new(Cache::new(controllers::queues()));
    cache.watch(&client, &synced);

    let serving = CancellationToken::new();
    let health = Health {
        synced: synced.clone(),
        leadership: leadership.clone(),
        metrics: metrics.clone(),
    };
    let server = tokio::spawn(http::serve(listener, health, serving.clone()));
    // The lease is given back only after what was under way has been finished.
    let release = CancellationToken::new();
    let mut lease_loop = tokio::spawn(manager.run(release.clone()));

    let stop = CancellationToken::new();
    let settings = Settings {
        client,
        cache,
        synced,
        leadership: leadership.clone(),
        metrics,
        keys,
        identity,
        concurrency: args.concurrency.into(),
    };
    let mut leading = tokio::spawn({
        let stop = stop.clone();
        async move {
            let term = tokio::select! {
                () = stop.cancelled() => None,
                term = leadership.led() => term,
            };
            if let Some(term) = term {
                controllers::lead(settings, term, stop).await;
            }
        }
    });

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: finishing"),
        _ = interrupt.recv() => tracing::info!("SIGINT: finishing"),
        ended = &mut lease_loop => return lost(ended),
        ended = &mut leading => {
            ended.context("the controllers panicked")?;
            return Err(anyhow!("the controllers ended"));
        }
    }
    stop.cancel();
    tokio::select! {
        ended = &mut leading => ended.context("the controllers panicked")?,
        ended = &mut lease_loop => return lost(ended),
        () = tokio::time::sleep(FINISH) => {
            tracing::warn!("gave up waiting for what is under way; the lease runs out by itself");
            return Ok(());
        }
    }
    release.cancel();
    lease_loop.await.context("the lease loop panicked")??;
    serving.cancel();
    server.await.context("the HTTP server panicked")??;
    tracing::info!("finished");
    Ok(())
}

/// The end of the lease loop is the end of the process: somebody else may lead from now on, so not
/// one more write.
fn lost(ended: Result<Result<(), LeaseError>, JoinError>) -> anyhow::Result<()> {
    match ended {
        Ok(Ok(())) => Err(anyhow!("the lease loop ended")),
        Ok(Err(error)) => Err(error).context("leadership lost"),
        Err(error) => Err(error).context("the lease loop panicked"),
    }
}
