//! What runs, and where to look.

use crate::cluster::{self, Record};
use crate::control_plane;
use crate::error::Result;
use crate::kubectl::{Kubectl, api_listens};
use crate::node::{self, Power};
use crate::paths::{Checkout, State};
use crate::plan::{API_PORT, MACHINE, NODES, SERVICES};
use crate::process::{self, Identity};

/// Prints it, and returns whether all of it is well.
pub(crate) fn print(checkout: &Checkout) -> Result<bool> {
    let state = State::of_machine();
    let Some(record) = Record::read(&state) else {
        println!("down: bring it up with `worldkeeper-cluster up`");
        return Ok(false);
    };
    let mut well = record.complete && record.boot == process::boot();
    println!(
        "version    {}{}",
        record.version,
        if well { "" } else { " (not whole: run `up`)" }
    );
    println!("api        https://{MACHINE}:{API_PORT}, services {SERVICES}, dns {MACHINE}");
    println!("kubeconfig {}", checkout.kubeconfig().display());
    println!("programs   {}", checkout.bin().display());
    println!(
        "logs       {} -> {}",
        checkout.log().display(),
        state.logs().display()
    );
    println!("audit log  {}", checkout.log().join("audit.log").display());
    println!("state      {}", state.live().display());
    println!();

    let recorded = process::all_recorded(&state);
    let mut line = |name: &str| {
        let identity = recorded
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, identity)| identity);
        let alive = identity.is_some_and(Identity::is_alive);
        well &= alive;
        match identity {
            Some(identity) if alive => println!("{name:<26} pid {}", identity.pid),
            _ => println!("{name:<26} DEAD"),
        }
    };
    control_plane::NAMES.into_iter().for_each(&mut line);
    if process::recorded(&state, crate::fake_nodes::DAEMON).is_some() {
        line(crate::fake_nodes::DAEMON);
    }
    for node in NODES {
        if node::power(&state, node) != Power::Off {
            for daemon in node::NAMES {
                line(&format!("{}-{daemon}", node.name()));
            }
        }
    }
    println!();
    for node in NODES {
        let power = node::power(&state, node);
        well &= power == Power::On;
        let ready = ready(&state, &node.name());
        well &= ready == "True";
        println!(
            "{:<10} {} pods {:<15} Ready={ready}{}",
            node.name(),
            node.address(),
            node.pods(),
            match power {
                Power::On => "",
                Power::Off => ", powered off",
                Power::Partitioned => ", cut off from the API server",
            }
        );
    }
    if let Ok(binaries) = cluster::running(&state)
        && let Ok(fake) = Kubectl::new(&state, &binaries).run(&[
            "get",
            "nodes",
            "-l",
            "type=kwok",
            "-o",
            "name",
            "--request-timeout=5s",
        ])
    {
        println!("fake nodes {}", fake.lines().count());
    }
    Ok(well)
}

fn ready(state: &State, name: &str) -> String {
    let Ok(binaries) = cluster::running(state) else {
        return "Unknown".to_owned();
    };
    if !api_listens() {
        return "Unknown".to_owned();
    }
    Kubectl::new(state, &binaries)
        .node_ready(name)
        .unwrap_or_else(|_| "missing".to_owned())
}
