//! The operator: CRDs and chart.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Cluster, Images, checkout, tool};

/// Namespace of the operator.
pub(crate) const NAMESPACE: &str = "worldkeeper-system";
/// Name of the release, and so of the Deployment, ServiceAccount, Lease and Service.
pub(crate) const RELEASE: &str = "worldkeeper";

const LIMIT: Duration = Duration::from_secs(180);

/// Applies the CRDs and the chart with these values (over the images' own), and waits until every
/// replica is ready and the policies hold.
///
/// # Errors
/// When something is refused, or the operator does not become ready: with its pods and its log.
pub(crate) async fn install(cluster: &Cluster, images: &Images, values: Value) -> Result<()> {
    // Helm does not wait for a change of the same release that is under way: it fails.
    let _lock = tool::lock(checkout::root()?.join("target/e2e/install.lock")).await?;
    tool::step("applying the CRDs");
    apply_crds(cluster).await?;
    create_namespace(cluster).await?;
    forget_interrupted(cluster).await?;

    tool::step("installing the chart");
    let (repository, tag) = images.operator.repository_and_tag();
    let mut all = json!({
        "image": {"repository": repository, "tag": tag},
        // The name of an image made here stays the same; this replaces the pods all the same.
        "podAnnotations": {"worldkeeper.dev/image-id": images.operator.id},
    });
    merge(&mut all, values);
    let policies = all["policies"]["enabled"] != Value::Bool(false);
    let file = values_file()?;
    fs::write(&file, serde_json::to_vec_pretty(&all)?)?;
    let mut helm = cluster.helm()?;
    helm.args(["upgrade", "--install", RELEASE, "charts/worldkeeper"])
        .args(["--namespace", NAMESPACE, "--skip-crds", "--take-ownership"])
        .args(["--history-max", "5", "--wait", "--timeout"])
        .arg(format!("{}s", LIMIT.as_secs()))
        .arg("--values")
        .arg(&file);
    if let Err(error) = tool::run(&mut helm).await {
        return Err(error.context(diagnose(cluster).await));
    }
    if policies {
        await_policies(cluster).await?;
    }
    tool::step("the operator is ready");
    Ok(())
}

/// Removes the chart, as a user would: refused while there are worlds.
///
/// # Errors
/// When it is refused: with what Helm said.
pub(crate) async fn uninstall(cluster: &Cluster) -> Result<()> {
    let mut helm = cluster.helm()?;
    helm.args(["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"])
        .args(["--ignore-not-found", "--timeout", "180s"]);
    tool::run(&mut helm).await.map(drop)
}

/// Applies the CRDs as the documentation tells people to, and waits until they are served.
///
/// # Errors
/// When the API server refuses them.
pub(crate) async fn apply_crds(cluster: &Cluster) -> Result<()> {
    let mut apply = cluster.kubectl()?;
    apply.args(["apply", "--server-side", "--force-conflicts"]);
    tool::run(apply.args(["-f", "charts/worldkeeper/crds"])).await?;
    let mut wait = cluster.kubectl()?;
    wait.args(["wait", "--for=condition=Established", "--timeout=60s"]);
    tool::run(wait.args(["-f", "charts/worldkeeper/crds"])).await?;
    Ok(())
}

/// The operator runs under the strictest Pod Security level.
async fn create_namespace(cluster: &Cluster) -> Result<()> {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    });
    let mut apply = cluster.kubectl()?;
    apply.args([
        "apply",
        "--server-side",
        "--field-manager=install",
        "-f",
        "-",
    ]);
    tool::run_with_input(&mut apply, &namespace.to_string())
        .await
        .map(drop)
}

/// An installation that was killed leaves a record of a change under way, which Helm then waits for.
/// Only the record is removed: the objects stay, and the next installation takes them over.
async fn forget_interrupted(cluster: &Cluster) -> Result<()> {
    let mut delete = cluster.kubectl()?;
    delete.args(["delete", "secret", "--namespace", NAMESPACE]);
    delete.arg("--selector").arg(format!(
        "owner=helm,name={RELEASE},status in (pending-install,pending-upgrade,pending-rollback,uninstalling)"
    ));
    tool::run(&mut delete).await.map(drop)
}

/// The API server takes a second to act on a new policy. Asks for something that one of them
/// forbids, without doing it, until it is refused.
async fn await_policies(cluster: &Cluster) -> Result<()> {
    tool::until("the policies hold", Duration::from_secs(60), || async {
        let mut delete = cluster.kubectl()?;
        delete.args(["delete", "crd", "gamefleets.worldkeeper.dev"]);
        match tool::run(delete.args(["--dry-run=server", "--wait=false"])).await {
            Err(error) if error.to_string().contains("ValidatingAdmissionPolicy") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => bail!("the deletion of a CRD was not refused"),
        }
    })
    .await
}

async fn diagnose(cluster: &Cluster) -> String {
    let mut report = String::from("the operator was not installed\n");
    let questions: [&[&str]; 3] = [
        &["get", "pods", "--output=wide"],
        &["get", "events", "--sort-by=.lastTimestamp"],
        &[
            "logs",
            "--selector=app.kubernetes.io/component=operator",
            "--prefix",
            "--tail=30",
        ],
    ];
    for question in questions {
        let Ok(mut kubectl) = cluster.kubectl() else {
            break;
        };
        kubectl.args(question).args(["--namespace", NAMESPACE]);
        let answer = match tool::run(&mut kubectl).await {
            Ok(answer) => answer,
            Err(error) => error.to_string(),
        };
        report.push_str(&format!("--- kubectl {}\n{answer}\n", question.join(" ")));
    }
    report
}

fn values_file() -> Result<PathBuf> {
    let folder = checkout::root()?.join("target/e2e");
    fs::create_dir_all(&folder).context("cannot create target/e2e")?;
    Ok(folder.join("values.json"))
}

/// Objects are merged, anything else is replaced: as Helm does with values.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_merged_as_helm_does() {
        let mut values = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        merge(&mut values, json!({"a": {"c": [3], "e": 2}, "f": null}));
        assert_eq!(
            values,
            json!({"a": {"b": 1, "c": [3], "e": 2}, "d": 1, "f": null})
        );
    }
}
