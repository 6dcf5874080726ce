//! The chart and its policies: whatever it renders to is taken by the API server; nobody but the
//! operator can take away what protects a world; it is not uninstalled while there are worlds, and
//! leaves nothing but the CRDs otherwise.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;
use worldkeeper_crds::{GameServer, names};

use crate::harness::bots::Choice;
use crate::harness::context::{Answer, SOON, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};
use crate::harness::{Ctx, operator};
use crate::install::operator::{NAMESPACE, RELEASE};
use crate::install::tool;

const POLICIES: &str = "app.kubernetes.io/part-of=worldkeeper";
const REFUSED: &str = "denied request";

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Restricted).await?;
    renders_what_is_taken(&ctx).await?;

    let worlds = ctx.ready(&Fleet::new("kept").replicas(2), 2).await?;
    let world = fleet::world_of(&worlds[0]);
    let bots = ctx.bots("players", Choice::Fill)?;
    bots.players_in(&world, 2).await?;
    bots.until_connected(2).await?;
    let trial = Trial::begin([world.clone()]);
    protection_stays(&ctx, &worlds[0], &worlds[1]).await?;
    uninstall_is_refused(&ctx, &worlds[0]).await?;
    let to = now();
    bots.leave().await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])?;

    ctx.kubectl(&["delete", "gamefleet", "kept"])
        .await?
        .ok("the deletion of the fleet")?;
    ctx.until_gone("kept").await?;
    uninstalls_clean(&ctx).await
}

/// The API server takes every rendering, and both samples.
async fn renders_what_is_taken(ctx: &Ctx) -> Result<()> {
    for values in [
        "values.yaml",
        "ci/one-replica-values.yaml",
        "ci/everything-values.yaml",
    ] {
        let mut template = ctx.shared.cluster.helm()?;
        template.args([
            "template",
            "dry",
            "charts/worldkeeper",
            "--namespace",
            &ctx.namespace,
        ]);
        template
            .arg("--values")
            .arg(format!("charts/worldkeeper/{values}"));
        // Its kind is not of Kubernetes itself.
        template.args(["--set", "serviceMonitor.enabled=false"]);
        let rendered = tool::run(&mut template).await?;
        let apply = [
            "apply",
            "--dry-run=server",
            "--warnings-as-errors",
            "-f",
            "-",
        ];
        ctx.kubectl_with(&apply, &rendered).await?.ok(values)?;
    }
    let apply = ["apply", "--dry-run=server", "-f", "config/samples"];
    ctx.kubectl(&apply).await?.ok("the samples")?;
    ctx.say("the API server takes every rendering of the chart, and the samples");
    Ok(())
}

/// What an administrator may try, and what the answer is.
struct Attempt {
    /// kubectl's arguments.
    arguments: Vec<String>,
    /// What a refusal says; none: it is allowed.
    refusal: Option<&'static str>,
}

fn refused(refusal: &'static str, line: &str) -> Attempt {
    Attempt {
        arguments: line.split(' ').map(str::to_owned).collect(),
        refusal: Some(refusal),
    }
}

fn allowed(line: &str) -> Attempt {
    Attempt {
        refusal: None,
        ..refused("", line)
    }
}

/// Somebody with every right takes away, piece by piece, what protects the players. Deletions that are
/// allowed are only asked for, and of a world without players: the audit log does not tell the two
/// apart.
async fn protection_stays(ctx: &Ctx, populated: &GameServer, empty: &GameServer) -> Result<()> {
    let pod = fleet::pod_of(populated).context("no pod")?;
    let empty = fleet::pod_of(empty).context("no pod")?;
    let namespace = &ctx.namespace;
    let budgets: Api<PodDisruptionBudget> = ctx.api();
    let budget = budgets.list(&ListParams::default()).await?.items;
    let budget = budget
        .first()
        .context("the fleet has no disruption budget")?
        .name_any();
    let ours = format!("--as=system:serviceaccount:{NAMESPACE}:{RELEASE}");
    let dry = "--dry-run=server";
    let patch =
        |kind: &str, name: &str, patch: &str| format!("patch {kind} {name} --type=json -p {patch}");
    let glass = names::ANNOTATION_BREAK_GLASS;

    let attempts = [
        refused(REFUSED, &format!("delete pod {pod} --wait=false")),
        refused(
            REFUSED,
            &format!("delete pod {pod} --wait=false --force --grace-period=0"),
        ),
        refused(REFUSED, "delete pods --all --wait=false"),
        refused(
            REFUSED,
            &format!("delete --raw /api/v1/namespaces/{namespace}/pods"),
        ),
        // The policy reads the pod as it is, so this is no way around it either.
        refused(
            REFUSED,
            &format!("delete pod {pod} {dry} {ours} --as-group=system:masters"),
        ),
        refused(
            "are the operator's",
            &format!("label pod {pod} {}=true", names::LABEL_EVICTABLE),
        ),
        refused(
            "are the operator's",
            &format!("label pod {pod} {}-", names::LABEL_WORLD),
        ),
        refused(
            "are the operator's",
            &format!("label pod {pod} {}=other --overwrite", names::LABEL_FLEET),
        ),
        refused(
            names::FINALIZER_FENCING,
            &patch(
                "pod",
                pod,
                r#"[{"op":"remove","path":"/metadata/finalizers"}]"#,
            ),
        ),
        allowed(&format!("label pod {pod} team=live")),
        allowed(&format!(
            "label pod {pod} {}=true {dry} {ours}",
            names::LABEL_EVICTABLE
        )),
        allowed(&patch(
            "pod",
            pod,
            &format!(
                r#"[{{"op":"remove","path":"/metadata/finalizers"}},{{"op":"add","path":"/metadata/annotations","value":{{"{glass}":"test"}}}}] {dry}"#
            ),
        )),
        refused(
            "has game worlds",
            &format!("delete namespace {namespace} --wait=false"),
        ),
        refused(
            "protects the game worlds",
            &format!(
                "label namespace {namespace} {}-",
                names::LABEL_NAMESPACE_WORLDS
            ),
        ),
        allowed(&format!("label namespace {namespace} team=live")),
        allowed(&patch(
            "namespace",
            namespace,
            &format!(
                r#"[{{"op":"remove","path":"/metadata/labels/{}"}},{{"op":"add","path":"/metadata/annotations","value":{{"{glass}":"test"}}}}] {dry}"#,
                names::LABEL_NAMESPACE_WORLDS.replace('/', "~1")
            ),
        )),
        refused(
            "keeps evictions away",
            &format!("delete pdb {budget} --wait=false"),
        ),
        refused(
            "keeps evictions away",
            &format!("delete pdb {budget} {dry} {ours} --as-group=system:masters"),
        ),
        refused(
            "keeps evictions away",
            &format!("label pdb {budget} {}=true", names::LABEL_REMOVABLE),
        ),
        refused(
            "keeps evictions away",
            &format!("label pdb {budget} {}-", names::LABEL_FLEET),
        ),
        refused(
            "keeps evictions away",
            &patch(
                "pdb",
                &budget,
                r#"[{"op":"replace","path":"/spec/minAvailable","value":0}]"#,
            ),
        ),
        allowed(&format!("annotate pdb {budget} team=live")),
        allowed(&format!(
            "label pdb {budget} {}=true {dry} {ours}",
            names::LABEL_REMOVABLE
        )),
        refused(
            "all game worlds",
            &format!("delete crd gamefleets.worldkeeper.dev --wait=false {dry}"),
        ),
        refused(
            "all game worlds",
            &format!("delete crd gameservers.worldkeeper.dev --wait=false {dry}"),
        ),
        // A mark without a reason is none.
        allowed(&format!("annotate pod {empty} {glass}=")),
        refused(REFUSED, &format!("delete pod {empty} --wait=false")),
        allowed(&format!("annotate pod {empty} {glass}=test --overwrite")),
        allowed(&format!("delete pod {empty} {dry}")),
        allowed(&format!("annotate pod {empty} {glass}-")),
        refused(REFUSED, &format!("delete pod {empty} {dry}")),
        // The namespace's mark holds for everything in it.
        allowed(&format!("annotate namespace {namespace} {glass}=test")),
        allowed(&format!("delete pod {empty} {dry}")),
        allowed(&format!("delete pdb {budget} {dry}")),
        allowed(&format!("delete namespace {namespace} {dry} --wait=false")),
        allowed(&format!("annotate namespace {namespace} {glass}-")),
        refused(
            REFUSED,
            &format!("delete namespace {namespace} {dry} --wait=false"),
        ),
    ];
    let (mut no, mut yes) = (0, 0);
    for attempt in attempts {
        let arguments: Vec<&str> = attempt.arguments.iter().map(String::as_str).collect();
        let answer = settled_answer(ctx, &arguments, attempt.refusal.is_none()).await?;
        match attempt.refusal {
            Some(word) => {
                answer.refused(&arguments.join(" "), &[word, glass])?;
                no += 1;
            }
            None => {
                answer.ok(&arguments.join(" "))?;
                yes += 1;
            }
        }
    }
    ctx.say(format!(
        "{no} attempts on the protection refused, {yes} harmless ones allowed"
    ));
    Ok(())
}

/// The answer, asked for again for a moment if it is the other one: a policy sees the namespace
/// through a cache.
async fn settled_answer(ctx: &Ctx, arguments: &[&str], wanted: bool) -> Result<Answer> {
    let mut answer = ctx.kubectl(arguments).await?;
    // Only what is not done can be asked twice.
    let mut left = if arguments.contains(&"--dry-run=server") {
        20
    } else {
        0
    };
    while answer.success != wanted && left > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        answer = ctx.kubectl(arguments).await?;
        left -= 1;
    }
    Ok(answer)
}

/// `helm uninstall` names the world and touches nothing.
async fn uninstall_is_refused(ctx: &Ctx, world: &GameServer) -> Result<()> {
    let before = replicas(ctx).await?;
    let error = match uninstall(ctx).await {
        Ok(_) => anyhow::bail!("the chart was uninstalled although there is a world"),
        Err(error) => error.to_string(),
    };
    let name = fleet::world_of(world);
    ensure!(
        error.contains(&name),
        "the refusal does not name {name}: {error}"
    );
    ensure!(
        replicas(ctx).await? == before,
        "replicas of the operator were replaced"
    );
    ensure!(policies(ctx).await? == 6, "policies are gone");
    // Without a number Helm would go back to the values before these.
    let mut status = ctx.shared.cluster.helm()?;
    status.args(["status", RELEASE, "--namespace", NAMESPACE, "--output=json"]);
    let status: Value = serde_json::from_str(&tool::run(&mut status).await?)?;
    let revision = status["version"]
        .as_i64()
        .context("the release has no revision")?;
    let mut rollback = ctx.shared.cluster.helm()?;
    rollback.args(["rollback", RELEASE, &revision.to_string()]);
    rollback.args(["--namespace", NAMESPACE, "--wait"]);
    tool::run(&mut rollback).await?;
    ensure!(
        replicas(ctx).await? == before,
        "going back replaced replicas of the operator"
    );
    ctx.say("uninstalling is refused with the world's name, and nothing is touched");
    Ok(())
}

/// Without worlds it goes, and takes all but the CRDs along; then it comes back as it was.
async fn uninstalls_clean(ctx: &Ctx) -> Result<()> {
    let worlds: Api<GameServer> = Api::all(ctx.client());
    let others = worlds.list(&ListParams::default()).await?.items.len();
    if others > 0 {
        ctx.say(format!(
            "{others} worlds of others are in the cluster: the chart is left installed"
        ));
        return Ok(());
    }
    let mut values = ctx.shared.cluster.helm()?;
    values.args([
        "get",
        "values",
        RELEASE,
        "--namespace",
        NAMESPACE,
        "--output=json",
    ]);
    let values: Value = serde_json::from_str(&tool::run(&mut values).await?)?;
    let file = ctx.folder.join("values.json");
    std::fs::create_dir_all(&ctx.folder)?;
    std::fs::write(&file, values.to_string())?;

    uninstall(ctx).await.context("without worlds")?;
    ensure!(policies(ctx).await? == 0, "policies are left");
    let left = ctx
        .kubectl(&[
            "get",
            "all,pdb,role,rolebinding,sa",
            "-n",
            NAMESPACE,
            "-l",
            POLICIES,
            "-o",
            "name",
        ])
        .await?
        .ok("what is left")?;
    let left: Vec<&str> = left
        .lines()
        .filter(|line| line.contains('/') && !line.starts_with("pod/"))
        .collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    ctx.kubectl(&["get", "crd", "gamefleets.worldkeeper.dev"])
        .await?
        .ok("the CRDs are kept")?;

    let mut install = ctx.shared.cluster.helm()?;
    install.args([
        "install",
        RELEASE,
        "charts/worldkeeper",
        "--namespace",
        NAMESPACE,
    ]);
    install
        .args(["--skip-crds", "--wait", "--timeout=180s", "--values"])
        .arg(&file);
    tool::run(&mut install).await?;
    operator::until_ready(&ctx.client(), 2).await?;
    // The old leader may have ended after its rights: then its Lease has to run out.
    let client = ctx.client();
    tool::until("a leader", SOON, || operator::leader(&client, None)).await?;
    ctx.say("without worlds it is uninstalled clean, and installed again");
    Ok(())
}

async fn uninstall(ctx: &Ctx) -> Result<String> {
    let mut helm = ctx.shared.cluster.helm()?;
    helm.args([
        "uninstall",
        RELEASE,
        "--namespace",
        NAMESPACE,
        "--wait",
        "--timeout=180s",
    ]);
    tool::run(&mut helm).await
}

/// The operator's pods, by uid.
async fn replicas(ctx: &Ctx) -> Result<Vec<Option<String>>> {
    let pods: Api<Pod> = Api::namespaced(ctx.client(), NAMESPACE);
    let pods = pods
        .list(&ListParams::default().labels(operator::PODS))
        .await?;
    let mut uids: Vec<_> = pods.into_iter().map(|pod| pod.metadata.uid).collect();
    uids.sort();
    Ok(uids)
}

async fn policies(ctx: &Ctx) -> Result<usize> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(ctx.client());
    Ok(policies
        .list(&ListParams::default().labels(POLICIES))
        .await?
        .items
        .len())
}
