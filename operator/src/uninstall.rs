//! The check before an uninstall: worlds that nobody keeps would be neither protected nor ended.

use std::fmt::Write as _;

use kube::{Api, Client, ResourceExt, api::ListParams};
use worldkeeper_crds::GameServer;

/// Worlds that are named in the message.
const NAMED: u32 = 20;

/// The reason why the operator must stay, if there is one.
///
/// # Errors
/// The client's.
pub async fn check(client: Client) -> Result<Option<String>, kube::Error> {
    let api: Api<GameServer> = Api::all(client);
    let list = api.list(&ListParams::default().limit(NAMED)).await?;
    if list.items.is_empty() {
        return Ok(None);
    }
    let mut message = String::from(
        "there are worlds left. Delete the fleets and wait until their players have left, then uninstall:\n  kubectl delete gamefleets --all --all-namespaces\n  kubectl delete gameservers --all --all-namespaces\nWorlds:\n",
    );
    for server in &list.items {
        let players = server
            .status
            .as_ref()
            .and_then(|s| s.players)
            .map_or_else(|| "?".into(), |n| n.to_string());
        let namespace = server.namespace().unwrap_or_default();
        let _ = writeln!(
            message,
            "  {namespace}/{} (players: {players})",
            server.name_any()
        );
    }
    if list.metadata.remaining_item_count.is_some_and(|n| n > 0)
        || list.metadata.continue_.is_some()
    {
        message.push_str("  … and more\n");
    }
    Ok(Some(message))
}
