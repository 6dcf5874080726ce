#![allow(clippy::unwrap_used, clippy::result_large_err)]

use figment::Jail;

use super::*;

/// Loads a file and an environment, as a process with nothing else would.
fn load(toml: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let mut result = Err(String::new());
    Jail::expect_with(|jail| {
        jail.clear_env();
        jail.create_file("server.toml", toml)?;
        for (key, value) in env {
            jail.set_env(key, value);
        }
        result = Config::load(Some(Path::new("server.toml"))).map_err(|e| e.to_string());
        Ok(())
    });
    result
}

#[test]
fn defaults_are_a_world() {
    let config = load("", &[]).unwrap();
    assert_eq!(config, Config::defaults().unwrap());
    assert_eq!(config.world.name.as_str(), "local/world");
    assert_eq!((config.server.port, config.agent.port), (7777, 9090));
    assert_eq!(config.agent.auth, None);
}

#[test]
fn the_sample_shows_every_key_with_its_default() {
    let sample = include_str!("../../../config/server.toml");
    let bare = sample.replace("\n# ", "\n#");
    let uncommented: String = bare
        .lines()
        .map(|line| match line.strip_prefix('#') {
            // A key that has no default is shown commented out.
            Some(key) if key.contains(" = ") => key,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(load(sample, &[]).is_ok_and(|config| config == load("", &[]).unwrap()));

    let shown: toml::Table = toml::from_str(&uncommented).unwrap();
    let all = toml::Table::try_from(File::default()).unwrap();
    let keys = |table: &toml::Table| -> Vec<String> {
        let sections = table.iter();
        sections
            .flat_map(|(section, keys)| {
                keys.as_table()
                    .unwrap()
                    .keys()
                    .map(move |key| format!("{section}.{key}"))
            })
            .collect()
    };
    assert_eq!(keys(&shown), keys(&all));
}

#[test]
fn the_environment_of_a_pod() {
    use worldkeeper_crds::agent::env;

    let config = load(
        "[server]\nmax_players = 7\nport = 1\n",
        &[
            (env::WORLD_NAME, "games/fantasy-42"),
            (env::WORLD_SEED, "9007199254740991"),
            (env::WORLD_GENRE, "PostApoc"),
            (env::WORLD_SIZE, "512"),
            (env::WORLD_EPOCH, "3"),
            (env::TICK_RATE_HZ, "60"),
            (env::MAX_PLAYERS, "250"),
            (env::PLAYER_PORT, "7001"),
            (env::AGENT_PORT, "9001"),
            (env::AGENT_JWKS_FILE, "/etc/worldkeeper/agent/jwks.json"),
            (env::AGENT_POD_UID, "5f2b6a0e-0000-4000-8000-1e5000000000"),
            (env::AGENT_SOCKET, "/run/worldkeeper/agent.sock"),
            // Of a Service named worldkeeper, or worldkeeper-server, in the same namespace.
            ("WORLDKEEPER_SERVICE_HOST", "10.0.0.1"),
            ("WORLDKEEPER_SERVER_PORT", "tcp://10.0.0.1:80"),
            ("WORLDKEEPER_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ],
    )
    .unwrap();
    assert_eq!(config.world.name.as_str(), "games/fantasy-42");
    assert_eq!(config.world.seed, worldkeeper_sim::MAX_SEED);
    assert_eq!(config.world.params.genre(), Genre::PostApoc);
    assert_eq!(config.world.params.size_metres(), 512);
    assert_eq!(config.world.params.tick_rate().hz(), 60);
    assert_eq!(config.world.epoch, 3);
    assert_eq!((config.server.max_players, config.server.port), (250, 7001));
    let auth = config.agent.auth.unwrap();
    assert_eq!(auth.pod_uid, "5f2b6a0e-0000-4000-8000-1e5000000000");
}

#[test]
fn refusals_name_the_key_and_the_remedy() {
    for (toml, env, expect) in [
        (
            "[server]\nprot = 1",
            &[][..],
            &[
                "unknown key server.prot",
                "did you mean port?",
                "server.toml",
            ][..],
        ),
        (
            "[sever]\nport = 1",
            &[],
            &["unknown section sever", "did you mean server?"],
        ),
        (
            "colour = 1",
            &[],
            &["unknown section colour", "server, world"],
        ),
        (
            "",
            &[("WORLDKEEPER_WORLD__SEEDS", "1")],
            &[
                "unknown key world.seeds",
                "did you mean seed?",
                "environment",
            ],
        ),
        (
            "[server]\nport = \"x\"",
            &[],
            &["server.port", "string \"x\""],
        ),
        ("[server]\nport = -1", &[], &["server.port"]),
        (
            "[server]\nport = 70000",
            &[],
            &["server.port: 70000", "WORLDKEEPER_SERVER__PORT"],
        ),
        (
            "[server]\ntick_rate_hz = 25",
            &[],
            &["server.tick_rate_hz: 25", "10, 20, 30 or 60"],
        ),
        (
            "",
            &[("WORLDKEEPER_SERVER__MAX_PLAYERS", "0")],
            &["server.max_players: 0", "1 to 5000"],
        ),
        (
            "[server]\nhost = \"localhost\"",
            &[],
            &["server.host", "127.0.0.1"],
        ),
        (
            "[server]\nping_interval_seconds = 60",
            &[],
            &["server.silence_timeout_seconds", "ping interval"],
        ),
        (
            "[server]\njson_rate_hz = 30",
            &[],
            &["server.json_rate_hz: 30", "1 to 20"],
        ),
        (
            "[world]\ngenre = \"Western\"",
            &[],
            &["world.genre", "Cyberpunk"],
        ),
        (
            "[world]\nname = \"x\"",
            &[],
            &["world.name", "namespace/gameserver"],
        ),
        ("[world]\nsize = 100", &[], &["world.size", "256 to 16384"]),
        (
            "[world]\nsize = 5000000000",
            &[],
            &["world.size", "256 to 16384"],
        ),
        ("[world]\nepoch = 0", &[], &["world.epoch: 0"]),
        (
            "[world]\nseed = 9007199254740992",
            &[],
            &["world.seed", "9007199254740991"],
        ),
        (
            "[agent]\njwks_file = \"/x\"",
            &[],
            &["agent.pod_uid", "metadata.uid"],
        ),
        (
            "[agent]\npod_uid = \"x\"",
            &[],
            &["agent.jwks_file", "leave both empty"],
        ),
        (
            "[logging]\nformat = \"xml\"",
            &[],
            &["logging.format", "text or json"],
        ),
        (
            "[logging]\nlevel = \"=x=\"",
            &[],
            &["logging.level", "debug"],
        ),
        ("[server", &[], &["no TOML", "line 1"]),
    ] {
        let error = load(toml, env).unwrap_err();
        for words in expect {
            assert!(
                error.contains(words),
                "{toml} {env:?}: {error:?} lacks {words:?}"
            );
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/server.toml"))).unwrap_err();
    assert!(error.to_string().contains("/nowhere/server.toml"));
}
