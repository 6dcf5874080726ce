//! Writes the CustomResourceDefinitions as YAML files into the folders given as arguments.

use std::{error::Error, fs, path::Path};

use kube::CustomResourceExt;
use worldkeeper_crds::{GameFleet, GameServer};

fn main() -> Result<(), Box<dyn Error>> {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    if folders.is_empty() {
        return Err("usage: crdgen FOLDER...".into());
    }
    let crds = [
        ("worldkeeper.dev_gamefleets.yaml", GameFleet::crd()),
        ("worldkeeper.dev_gameservers.yaml", GameServer::crd()),
    ];
    for folder in folders {
        fs::create_dir_all(&folder)?;
        for (file, crd) in &crds {
            fs::write(Path::new(&folder).join(file), serde_saphyr::to_string(crd)?)?;
        }
    }
    Ok(())
}
