//! What every scenario stands on.
//!
//! A [`Scenario`] gets a [`Ctx`]: a namespace of its own, a client, players ([`bots`]), waiting by
//! watches ([`wait`]) and the judge ([`judge`], [`verdict`]); or, if it needs no cluster, a [`Place`].
//! [`runner`] runs scenarios side by side, [`artifacts`] keeps what a failed one left, [`sweep`] removes
//! namespaces.

pub(crate) mod agent;
pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod bots;
pub(crate) mod context;
pub(crate) mod fleet;
pub(crate) mod judge;
pub(crate) mod machine;
pub(crate) mod operator;
pub(crate) mod programs;
pub(crate) mod proxy;
pub(crate) mod runner;
pub(crate) mod sweep;
pub(crate) mod verdict;
pub(crate) mod wait;

use anyhow::Result;
use futures::future::BoxFuture;

pub(crate) use context::Ctx;

use crate::local::Place;

/// What a scenario shows, and how it runs.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    /// Its name on the command line, in namespaces and under `target/e2e`.
    pub(crate) name: &'static str,
    /// What it shows, in a line.
    pub(crate) about: &'static str,
    /// It disturbs the operator or a node, and so runs alone.
    pub(crate) exclusive: bool,
    /// It needs the processes of the machine's own cluster.
    pub(crate) own_cluster: bool,
    /// Runs it.
    pub(crate) run: Run,
}

/// Where a scenario runs, and what it is.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// On a cluster.
    Cluster(fn(Ctx) -> BoxFuture<'static, Result<()>>),
    /// On this machine, without one.
    Local(fn(Place) -> BoxFuture<'static, Result<()>>),
}
