//! The fleet controller: how many worlds, which, and of which revision.
//!
//! `dereference → decide → apply → status`: [`view`] is what is read, [`decide`] what follows from
//! it, without any client.

pub mod apply;
pub mod autoscale;
pub mod build;
pub mod decide;
pub mod dereference;
pub mod finalize;
pub mod revision;
pub mod seeds;
pub mod status;
pub mod template;
pub mod victims;
pub mod view;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use worldkeeper_crds::names;

use crate::{context::Context, error::Error, key::ObjectKey, queue::Next, server::decide::Note};
use autoscale::Desired;
use template::Verdict;

/// Looks at a fleet once.
///
/// # Errors
/// [`Error`].
pub async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Next, Error> {
    let Some(mut seen) = dereference::dereference(ctx, key)? else {
        ctx.metrics
            .forget_fleet(&key.namespace, &key.name, &status::STATES);
        return Ok(Next::Wait);
    };
    if seen.fleet.object.metadata.deletion_timestamp.is_some() {
        return end(ctx, &seen).await;
    }
    if !seen
        .fleet
        .object
        .finalizers()
        .iter()
        .any(|f| f == names::FINALIZER_WORLDS)
    {
        // The write brings us back, on the version that it made.
        apply::set_finalizer(ctx, &seen.fleet.object, true).await?;
        return Ok(Next::Wait);
    }
    apply::prepare(ctx, &seen).await?;
    let identity = seen.identity(0);
    let (verdict, again) =
        template::verdict(ctx, key, &seen.view.revision, &identity, &seen.data).await?;
    seen.view.may_create = verdict.may_create();

    let decision = decide::decide(&seen.view);
    let mut fleet = seen.fleet.object.clone();
    if decision.seeds_issued != seen.status.seeds_issued {
        // Before any world has one of these seeds: a crash may waste seeds, never repeat one.
        let mut marked = seen.status.clone();
        marked.seeds_issued = decision.seeds_issued;
        fleet = status::write(ctx, &fleet, marked.clone()).await?;
        seen.status = marked;
    }
    let applied = apply::apply(ctx, &seen, &decision).await;
    let status = status::compute(
        &seen,
        &decision.desired,
        &verdict,
        decision.seeds_issued,
        Timestamp::now(),
    );
    ctx.metrics.fleet(
        &key.namespace,
        &key.name,
        &status::gauges(&seen.view, &status),
    );
    let before = seen.status.clone();
    if status != before {
        status::write(ctx, &fleet, status.clone()).await?;
    }
    for note in applied?
        .iter()
        .chain(&notes(&before, &status, &decision.desired, &verdict))
    {
        ctx.note(&seen.fleet.object, note).await;
    }
    Ok(again.map_or(Next::Wait, Next::After))
}

async fn end(ctx: &Context, seen: &dereference::Seen) -> Result<Next, Error> {
    let gone = finalize::apply(ctx, seen, finalize::next(seen)).await?;
    if !gone {
        let desired = Desired {
            replicas: 0,
            reason: "Deleting",
            message: "the fleet is being deleted".into(),
        };
        let status = status::compute(
            seen,
            &desired,
            &Verdict::Accepted,
            seen.status.seeds_issued,
            Timestamp::now(),
        );
        ctx.metrics.fleet(
            &seen.key.namespace,
            &seen.key.name,
            &status::gauges(&seen.view, &status),
        );
        if status != seen.status {
            status::write(ctx, &seen.fleet.object, status).await?;
        }
    }
    Ok(Next::Wait)
}

fn notes(
    before: &worldkeeper_crds::GameFleetStatus,
    after: &worldkeeper_crds::GameFleetStatus,
    desired: &Desired,
    verdict: &Verdict,
) -> Vec<Note> {
    let mut notes = Vec::new();
    if before.observed_generation.is_some() && before.desired_replicas != after.desired_replicas {
        notes.push(Note {
            warning: false,
            reason: "DesiredReplicasChanged".into(),
            message: format!(
                "{} -> {} worlds: {}",
                before.desired_replicas, after.desired_replicas, desired.message
            ),
        });
    }
    if before.state != after.state
        && let Verdict::Refused(refusal) = verdict
    {
        notes.push(Note {
            warning: true,
            reason: refusal.condition.into(),
            message: refusal.message.clone(),
        });
    }
    notes
}
