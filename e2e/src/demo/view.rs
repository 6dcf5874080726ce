//! The table: plain text from what the API server and the bots say.

use worldkeeper_crds::{
    GameFleet, GameServer,
    fleet::condition::AUTOSCALING_ACTIVE,
    server::{ServerState, condition::PLAYERS_KNOWN},
};
use worldkeeper_server::bots::command::Status;

/// Width of the bar of a full world.
const BAR: i64 = 20;

/// Everything that the table shows.
pub(crate) struct Scenery<'a> {
    /// The fleet, once it is seen.
    pub(crate) fleet: Option<&'a GameFleet>,
    /// Its worlds.
    pub(crate) servers: &'a [&'a GameServer],
    /// The bots, if there are any.
    pub(crate) bots: Option<&'a Status>,
    /// What there is to see.
    pub(crate) caption: &'a str,
    /// What happened beside the players' coming and going.
    pub(crate) news: &'a [String],
    /// Seconds since the demo began, and of all of it.
    pub(crate) seconds: (u64, u64),
}

impl Scenery<'_> {
    /// The whole table.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![self.headline()];
        lines.extend(self.autoscaling().map(|why| format!("  {why}")));
        lines.push(String::new());
        lines.extend(self.worlds());
        lines.push(String::new());
        lines.extend(self.bots.map(bots));
        lines.extend(self.news.iter().map(|news| format!("  ! {news}")));
        let (now, all) = self.seconds;
        lines.push(format!("{now:>3} of {all} s  {}", self.caption));
        lines.join("\n") + "\n"
    }

    fn headline(&self) -> String {
        let Some(fleet) = self.fleet else {
            return "waiting for the fleet".into();
        };
        let status = fleet.status.clone().unwrap_or_default();
        let state = status.state.map_or("new", |state| state.as_str());
        let mut line = format!(
            "fleet {}  {state}  {} of {} worlds ready",
            fleet.metadata.name.as_deref().unwrap_or_default(),
            status.ready_replicas,
            status.desired_replicas,
        );
        for (count, what) in [
            (status.draining_replicas, "draining"),
            (status.unknown_replicas, "unknown"),
        ] {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        format!(
            "{line}  {} players on {} seats",
            status.players, status.capacity
        )
    }

    fn autoscaling(&self) -> Option<&str> {
        let conditions = &self.fleet?.status.as_ref()?.conditions;
        let found = conditions
            .iter()
            .find(|found| found.type_ == AUTOSCALING_ACTIVE)?;
        Some(found.message.as_str())
    }

    fn worlds(&self) -> Vec<String> {
        let mut servers = self.servers.to_vec();
        servers.sort_by_key(|server| server.spec.world.seed);
        let rows = servers.into_iter().map(row).collect::<Vec<_>>();
        let titles = [
            "WORLD", "SEED", "STATE", "EPOCH", "NODE", "ADDRESS", "PLAYERS",
        ];
        table(&titles.map(str::to_owned), &rows)
    }
}

fn row(server: &GameServer) -> [String; 7] {
    let status = server.status.clone().unwrap_or_default();
    let known = status
        .conditions
        .iter()
        .any(|condition| condition.type_ == PLAYERS_KNOWN && condition.status == "True");
    let players = match (status.players, status.capacity) {
        (Some(players), Some(seats)) if known => {
            format!("{players:>3} of {seats:<3} {}", bar(players, seats))
        }
        (Some(players), _) => format!("{players:>3}, not known now"),
        (None, _) => "-".into(),
    };
    let address = match (&status.address, status.ports.first()) {
        (Some(address), Some(port)) => format!("{address}:{}", port.port),
        _ => "-".into(),
    };
    [
        server.metadata.name.clone().unwrap_or_default(),
        server.spec.world.seed.to_string(),
        status.state.map_or("-", ServerState::as_str).into(),
        status.epoch.to_string(),
        status.node_name.unwrap_or_else(|| "-".into()),
        address,
        players,
    ]
}

fn bar(players: i32, seats: i32) -> String {
    let seats = i64::from(seats.max(1));
    // Rounded up: one player is to be seen.
    let full = (i64::from(players) * BAR + seats - 1) / seats;
    "#".repeat(usize::try_from(full.clamp(0, BAR)).unwrap_or(0))
}

fn bots(status: &Status) -> String {
    let mut line = format!("bots: {} inside", status.connected);
    for (count, what) in [
        (status.connecting, "on their way in"),
        (status.waiting, "waiting for room"),
        (status.leaving, "leaving"),
        (status.lost, "without their world"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    format!(
        "{line}; {} visits so far, {} thrown out",
        status.joined, status.unexpected_disconnects
    )
}

fn table<const N: usize>(titles: &[String; N], rows: &[[String; N]]) -> Vec<String> {
    let all = || std::iter::once(titles).chain(rows);
    let width = |column: usize| {
        all()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    all()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

/// Name of the pod that hosts the most players, and how many they are.
pub(crate) fn busiest(servers: &[&GameServer]) -> Option<(String, i32)> {
    servers
        .iter()
        .filter_map(|server| {
            let status = server.status.as_ref()?;
            Some((status.pod_name.clone()?, status.players?))
        })
        .filter(|(_, players)| *players > 0)
        .max_by_key(|(_, players)| *players)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn server(seed: i64, status: &serde_json::Value) -> GameServer {
        serde_json::from_value(json!({
            "apiVersion": "worldkeeper.dev/v1alpha1",
            "kind": "GameServer",
            "metadata": {"name": format!("f-{seed}")},
            "spec": {
                "world": {"seed": seed, "genre": "Fantasy", "tickRateHz": 20, "size": 1024},
                "revision": "r",
            },
            "status": status,
        }))
        .unwrap()
    }

    fn ready(seed: i64, players: i32, known: &str) -> GameServer {
        server(
            seed,
            &json!({
                "state": "Ready", "epoch": 2, "address": "198.18.0.11", "players": players,
                "ports": [{"name": "play", "port": 7000}], "capacity": 20, "nodeName": "n1",
                "podName": format!("f-{seed}-2"),
                "conditions": [{
                    "type": "PlayersKnown", "status": known, "reason": "Heard", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            }),
        )
    }

    #[test]
    fn worlds_are_listed_by_seed_and_unknown_counts_say_so() {
        let servers = [
            ready(10, 10, "False"),
            ready(9, 1, "True"),
            server(11, &json!({"epoch": 0})),
        ];
        let servers: Vec<&GameServer> = servers.iter().collect();
        let text = Scenery {
            fleet: None,
            servers: &servers,
            bots: None,
            caption: "look",
            news: &["news".into()],
            seconds: (7, 90),
        }
        .text();
        let expect = "\
waiting for the fleet

WORLD  SEED  STATE  EPOCH  NODE  ADDRESS           PLAYERS
f-9    9     Ready  2      n1    198.18.0.11:7000    1 of 20  #
f-10   10    Ready  2      n1    198.18.0.11:7000   10, not known now
f-11   11    -      0      -     -                 -

  ! news
  7 of 90 s  look
";
        assert_eq!(text, expect);
    }

    #[test]
    fn bars_are_as_long_as_worlds_are_full() {
        let check = |players, seats, expect| assert_eq!(bar(players, seats).len(), expect);
        check(0, 20, 0);
        check(1, 5000, 1);
        check(10, 20, 10);
        check(20, 20, 20);
        check(25, 20, 20);
        check(1, 0, 20);
        check(i32::MAX, 1, 20);
    }

    #[test]
    fn the_busiest_world_has_players() {
        let servers = [
            ready(1, 0, "True"),
            ready(2, 5, "True"),
            ready(3, 4, "True"),
        ];
        let all: Vec<&GameServer> = servers.iter().collect();
        assert_eq!(busiest(&all), Some(("f-2-2".into(), 5)));
        assert_eq!(busiest(&all[..1]), None);
    }
}
