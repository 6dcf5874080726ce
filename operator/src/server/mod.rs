//! The server controller: one world, its incarnations, and their ends.
//!
//! `dereference → decide → apply → status`: [`view`] is what is read, [`decide`] what follows from
//! it, without any client.

pub mod apply;
pub mod build;
pub mod decide;
pub mod dereference;
pub mod failures;
pub mod ports;
pub mod refusal;
pub mod refusals;
pub mod status;
pub mod view;

use std::time::Duration;

use decide::Step;

use crate::{context::Context, error::Error, key::ObjectKey, queue::Next};

/// Looks at a world once.
///
/// # Errors
/// [`Error`].
pub async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Next, Error> {
    let Some(seen) = dereference::dereference(ctx, key).await? else {
        ctx.forget_world(key);
        return Ok(Next::Wait);
    };
    let decision = decide::decide(&seen.view);
    let applied = apply::apply(ctx, &seen, &decision).await;
    // A write to the object itself, or a new pod: the next look, which follows at once, sees more.
    let superseded = decision
        .steps
        .iter()
        .any(|step| matches!(step, Step::AddFinalizer | Step::RemoveFinalizer))
        || matches!(&applied, Ok(a) if a.created || a.refused);
    let wait = if superseded {
        None
    } else {
        // What could not be done is tried again; what was seen is told either way.
        status::update(ctx, &seen, &decision.status).await?
    };
    let applied = applied?;
    for note in &decision.notes {
        ctx.note(&*seen.server, note).await;
    }
    if applied.refused {
        return Ok(Next::After(Duration::ZERO));
    }
    Ok(again([wait, decision.again]))
}

fn again(times: [Option<Duration>; 2]) -> Next {
    times
        .into_iter()
        .flatten()
        .min()
        .map_or(Next::Wait, Next::After)
}
