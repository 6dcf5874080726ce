//! Brings everything up: the cluster, the images, the CRDs and the chart.
//!
//! Each step looks first and does only what is missing, so a second run takes seconds.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(crate) mod checkout;
pub(crate) mod cluster;
pub(crate) mod images;
pub(crate) mod operator;
pub(crate) mod tool;

pub(crate) use cluster::Cluster;
pub(crate) use images::Images;

/// Everything is up.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    /// The cluster and its tools.
    pub(crate) cluster: Cluster,
    /// What the operator and the worlds run.
    pub(crate) images: Images,
}

/// Cluster, images, CRDs, and the chart with these values over its own.
///
/// # Errors
/// When a step fails, with what it said.
pub(crate) async fn ensure(values: Value) -> Result<Installation> {
    let cluster = Cluster::ensure().await?;
    let images = images::ensure(&cluster).await?;
    operator::install(&cluster, &images, values).await?;
    Ok(Installation { cluster, images })
}

/// Brings everything up and ends
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct InstallArgs {
    /// Only build the images, into target/images; no cluster is needed
    #[arg(long)]
    images_only: bool,
    /// Values for the chart, as YAML
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
}

/// The subcommand.
///
/// # Errors
/// When a step fails, with what it said.
pub(crate) async fn run(args: InstallArgs) -> Result<()> {
    if args.images_only {
        let images = images::build().await?;
        for image in [images.operator, images.server] {
            let archive = image.archive.unwrap_or_default();
            tool::step(format!("{} is in {}", image.name, archive.display()));
        }
        return Ok(());
    }
    let values = match args.values {
        Some(file) => serde_saphyr::from_str(
            &std::fs::read_to_string(&file).with_context(|| file.display().to_string())?,
        )?,
        None => json!({}),
    };
    ensure(values).await.map(drop)
}
