//! The machine's bridge, a network namespace for each node, and the ways
//! between them.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::command::{run, run_with_input, tool};
use crate::error::{Error, FileContext, Result};
use crate::files;
use crate::paths::State;
use crate::plan::{API_PORT, BRIDGE, MACHINE, NODES, Node, SERVICES};

const PARTITION: &str = include_str!("../templates/partition.nft");
const PARTITION_TABLE: &str = "worldkeeper_partition";

/// Kernel settings that this program or a kubelet changes for the machine.
const SYSCTLS: [&str; 5] = [
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
];

/// Runs `ip` once for each line.
fn ip(lines: &[String]) -> Result<()> {
    let batch = lines.join("\n") + "\n";
    run_with_input(tool("ip").args(["-batch", "-"]), batch.as_bytes()).map(drop)
}

pub(crate) fn bridge_is_there() -> bool {
    Path::new("/sys/class/net").join(BRIDGE).exists()
}

pub(crate) fn node_is_there(node: Node) -> bool {
    Path::new(&node.namespace_file()).exists()
        && Path::new("/sys/class/net").join(node.link()).exists()
}

/// The machine's end of everything.
pub(crate) fn ensure_machine(state: &State) -> Result<()> {
    remember_sysctls(state)?;
    write_sysctl("net/ipv4/ip_forward", "1")?;
    // Without it, the answer of a pod to its neighbour on the same bridge
    // does not pass the address translation that the question passed.
    if !Path::new("/proc/sys/net/bridge").exists() {
        run(tool("modprobe").arg("br_netfilter"))?;
    }
    if !bridge_is_there() {
        refuse_foreign_addresses()?;
        ip(&[format!(
            "link add {BRIDGE} address 02:77:6b:00:00:01 type bridge"
        )])?;
    }
    ip(&[
        format!("address replace {MACHINE}/24 dev {BRIDGE}"),
        format!("link set {BRIDGE} up"),
    ])
}

/// Somebody else may use the range for what it is reserved for.
fn refuse_foreign_addresses() -> Result<()> {
    let addresses = run(tool("ip").args(["-oneline", "-4", "address", "show"]))?;
    match addresses
        .lines()
        .find(|line| line.contains(" 198.18.") || line.contains(" 198.19."))
    {
        None => Ok(()),
        Some(line) => Err(Error::unmet(
            format!("the machine has an address in 198.18.0.0/15 already: {line}"),
            "remove that interface: the cluster needs the range",
        )),
    }
}

/// The node's namespace, its cable to the bridge, and all routes.
pub(crate) fn ensure_node(node: Node) -> Result<()> {
    let (name, link) = (node.name(), node.link());
    if !node_is_there(node) {
        remove_node(node)?;
        run(tool("ip").args(["netns", "add", &name]))?;
        ip(&[format!(
            "link add {link} type veth peer name eth0 address {} netns {name}",
            node.hardware_address()
        )])?;
    }
    ip(&[
        format!("link set {link} master {BRIDGE}"),
        format!("link set {link} up"),
    ])?;
    let mut inside = vec![
        "link set lo up".to_owned(),
        format!("address replace {}/24 dev eth0", node.address()),
        "link set eth0 up".to_owned(),
        format!("route replace default via {MACHINE}"),
    ];
    for other in NODES.into_iter().filter(|other| *other != node) {
        inside.push(format!(
            "route replace {} via {}",
            other.pods(),
            other.address()
        ));
    }
    run_with_input(
        tool("ip").args(["-netns", &name, "-batch", "-"]),
        (inside.join("\n") + "\n").as_bytes(),
    )?;
    in_node(node, &["sysctl", "-qw", "net.ipv4.ip_forward=1"], b"")?;
    ip(&[format!(
        "route replace {} via {}",
        node.pods(),
        node.address()
    )])
}

/// Services have no address on the machine: some node has to translate.
pub(crate) fn route_services(through: Option<Node>) -> Result<()> {
    match through {
        Some(node) => ip(&[format!("route replace {SERVICES} via {}", node.address())]),
        None => {
            // It may not be there.
            let _ = ip(&[format!("route delete {SERVICES}")]);
            Ok(())
        }
    }
}

/// Pulls the cable: from now on nothing of the node reaches anybody, not even
/// the last words of connections that its processes leave open.
pub(crate) fn unplug(node: Node) -> Result<()> {
    if node_is_there(node) {
        ip(&[format!("link set {} down", node.link())])?;
    }
    Ok(())
}

pub(crate) fn remove_node(node: Node) -> Result<()> {
    if Path::new(&node.namespace_file()).exists() {
        run(tool("ip").args(["netns", "delete", &node.name()]))?;
    }
    if Path::new("/sys/class/net").join(node.link()).exists() {
        // It goes with the namespace too, and either may be the first.
        let _ = ip(&[format!("link delete {}", node.link())]);
    }
    Ok(())
}

pub(crate) fn remove_all(state: &State) -> Result<()> {
    for node in NODES {
        remove_node(node)?;
    }
    if bridge_is_there() {
        ip(&[format!("link delete {BRIDGE}")])?;
    }
    restore_sysctls(state)
}

fn in_node(node: Node, command: &[&str], input: &[u8]) -> Result<String> {
    run_with_input(
        tool("nsenter")
            .arg(format!("--net={}", node.namespace_file()))
            .args(command),
        input,
    )
}

/// Drops what passes between the node and the API server, and nothing else.
pub(crate) fn cut_off(node: Node) -> Result<()> {
    heal(node)?;
    let rules = files::render(
        PARTITION,
        &[
            ("machine", &MACHINE.to_string()),
            ("port", &API_PORT.to_string()),
        ],
    )?;
    in_node(node, &["nft", "-f", "-"], rules.as_bytes()).map(drop)
}

pub(crate) fn heal(node: Node) -> Result<()> {
    // Added first, because only what is there can be deleted.
    let rules = format!("add table inet {PARTITION_TABLE}\ndelete table inet {PARTITION_TABLE}\n");
    in_node(node, &["nft", "-f", "-"], rules.as_bytes()).map(drop)
}

#[derive(Debug, Serialize, Deserialize)]
struct Sysctl {
    name: String,
    value: String,
}

fn sysctl_path(name: &str) -> std::path::PathBuf {
    Path::new("/proc/sys").join(name)
}

fn write_sysctl(name: &str, value: &str) -> Result<()> {
    let path = sysctl_path(name);
    fs::write(&path, value).on("write", &path)
}

fn remember_sysctls(state: &State) -> Result<()> {
    if state.sysctls().exists() {
        return Ok(());
    }
    let values: Vec<Sysctl> = SYSCTLS
        .iter()
        .filter_map(|name| {
            let value = fs::read_to_string(sysctl_path(name)).ok()?;
            Some(Sysctl {
                name: (*name).to_owned(),
                value: value.trim().to_owned(),
            })
        })
        .collect();
    let content = serde_json::to_string(&values).unwrap_or_default();
    files::write(&state.sysctls(), content)
}

fn restore_sysctls(state: &State) -> Result<()> {
    let Ok(content) = fs::read_to_string(state.sysctls()) else {
        return Ok(());
    };
    let values: Vec<Sysctl> = serde_json::from_str(&content).unwrap_or_default();
    for Sysctl { name, value } in values {
        write_sysctl(&name, &value)?;
    }
    Ok(())
}
