//! What a failed scenario leaves to look at: objects, events and logs, beside the bots' records.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::Ctx;
use super::context::{Answer, LABEL};
use super::operator;
use crate::install::operator::NAMESPACE;

/// Kinds of which every object is kept.
const KINDS: &str =
    "gamefleets,gameservers,pods,services,poddisruptionbudgets,configmaps,controllerrevisions";

/// Starts a scenario's folder anew.
pub(crate) fn prepare(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

/// Keeps what can be had; what cannot is said in its file.
pub(crate) async fn keep(ctx: &Ctx, failure: &str) -> Result<()> {
    fs::write(ctx.folder.join("failure.txt"), format!("{failure}\n"))?;
    let namespaces: Api<Namespace> = Api::all(ctx.client());
    let of_scenario = ListParams::default().labels(&format!("{LABEL}={}", ctx.scenario));
    for namespace in namespaces.list(&of_scenario).await? {
        keep_namespace(&ctx.at(&namespace.name_any())).await?;
    }
    let operator = ctx.at(NAMESPACE);
    let folder = ctx.folder.join("operator");
    save(
        &folder,
        "pods.yaml",
        operator
            .kubectl(&["get", "pods,leases", "-o", "yaml"])
            .await,
    );
    save(
        &folder,
        "events.txt",
        operator
            .kubectl(&["get", "events", "--sort-by=.lastTimestamp"])
            .await,
    );
    keep_logs(&operator, &folder, operator::PODS).await?;
    save(
        &ctx.folder,
        "nodes.yaml",
        operator.kubectl(&["get", "nodes", "-o", "yaml"]).await,
    );
    Ok(())
}

async fn keep_namespace(place: &Ctx) -> Result<()> {
    let folder = place.folder.join(&place.namespace);
    save(
        &folder,
        "overview.txt",
        place.kubectl(&["get", "gf,gs,pods", "-o", "wide"]).await,
    );
    save(
        &folder,
        "objects.yaml",
        place.kubectl(&["get", KINDS, "-o", "yaml"]).await,
    );
    save(
        &folder,
        "events.txt",
        place
            .kubectl(&["get", "events", "--sort-by=.metadata.creationTimestamp"])
            .await,
    );
    keep_logs(place, &folder, "").await
}

async fn keep_logs(place: &Ctx, folder: &Path, selector: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(place.client(), &place.namespace);
    for pod in pods.list(&ListParams::default().labels(selector)).await? {
        let name = pod.name_any();
        let logs = [
            "logs",
            &name,
            "--all-containers",
            "--prefix=false",
            "--tail=20000",
        ];
        // A node that is lost does not answer.
        let answer = tokio::time::timeout(Duration::from_secs(10), place.kubectl(&logs)).await;
        save(
            folder,
            &format!("{name}.log"),
            answer.unwrap_or_else(|late| Err(late.into())),
        );
        if pod.status.is_some_and(|status| {
            status
                .container_statuses
                .iter()
                .flatten()
                .any(|container| container.restart_count > 0)
        }) {
            let previous = place
                .kubectl(&["logs", &name, "--previous", "--tail=20000"])
                .await;
            save(folder, &format!("{name}.previous.log"), previous);
        }
    }
    Ok(())
}

fn save(folder: &Path, file: &str, answer: Result<Answer>) {
    let text = match answer {
        Ok(answer) => answer.text,
        Err(error) => format!("not to be had: {error:#}\n"),
    };
    if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(file), text))
    {
        tracing::warn!(%error, file, "cannot keep a file of the failed scenario");
    }
}
