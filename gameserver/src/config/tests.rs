#![allow(clippy::unwrap_used)]

use std::fs;

use proptest::prelude::*;

use super::*;

/// What a process with this file, environment and these flags is given.
fn given(
    toml: Option<&str>,
    env: &[(&str, &str)],
    flags: &[(&Key, &str)],
) -> (Given, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = toml.map(|toml| {
        let path = folder.path().join("server.toml");
        fs::write(&path, toml).unwrap();
        path
    });
    let of_table = |key: &Key| Key::at(key.section(), key.name()).unwrap();
    let given = Given {
        file,
        environment: env.iter().map(|(n, v)| (n.into(), v.into())).collect(),
        flags: flags
            .iter()
            .map(|(key, value)| {
                (
                    of_table(key),
                    format!("--{}", key.flag),
                    (*value).to_owned(),
                )
            })
            .collect(),
    };
    (given, folder)
}

fn load(toml: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let (given, _folder) = given(Some(toml), env, &[]);
    Config::load(&given).map_err(|mistakes| mistakes.to_string())
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
fn the_table_is_sound() {
    let mut seen = std::collections::BTreeSet::new();
    for key in keys::ALL {
        for form in [
            key.path.to_owned(),
            key.variable(),
            format!("--{}", key.flag),
        ] {
            assert!(seen.insert(form.clone()), "{form} stands for two keys");
        }
        assert!(!key.flag.contains('_'), "{}", key.flag);
        assert!(
            key.meaning.trim().ends_with('.'),
            "{}: {}",
            key.path,
            key.meaning
        );
    }
    // The variables that the operator sets are keys.
    use worldkeeper_crds::agent::env;
    for variable in [
        env::WORLD_NAME,
        env::WORLD_SEED,
        env::WORLD_GENRE,
        env::WORLD_SIZE,
        env::WORLD_EPOCH,
        env::TICK_RATE_HZ,
        env::MAX_PLAYERS,
        env::PLAYER_PORT,
        env::AGENT_PORT,
        env::AGENT_JWKS_FILE,
        env::AGENT_POD_UID,
        env::AGENT_SOCKET,
    ] {
        assert!(seen.contains(variable), "{variable}");
    }
}

/// What another value of one key needs of others, to be no contradiction.
fn beside(key: &Key) -> Vec<(&'static Key, &'static str)> {
    let at = |key: &Key| Key::at(key.section(), key.name()).unwrap();
    match key.path {
        "agent.jwks_file" => vec![(at(&keys::AGENT_POD_UID), "uid")],
        "agent.pod_uid" => vec![(at(&keys::AGENT_JWKS_FILE), "/keys")],
        "server.pong_timeout" => vec![(at(&keys::SERVER_CONNECTION_TIMEOUT), "3600")],
        "server.ping_interval" => vec![(at(&keys::SERVER_CONNECTION_TIMEOUT), "3600")],
        "server.json_rate_hz" => vec![(at(&keys::SERVER_TICK_RATE_HZ), "60")],
        _ => Vec::new(),
    }
}

#[test]
fn every_key_takes_effect_in_every_form_and_the_later_form_wins() {
    for key in keys::ALL {
        let one = key.kind.another(key.default);
        let two = key.kind.another(&one);
        let toml = |value: &str| {
            let value = key.kind.to_toml(value);
            format!("[{}]\n{} = {value}\n", key.section(), key.name())
        };
        // What the key is, and the whole configuration with it.
        let load = |toml: Option<&str>, env: Option<&str>, flag: Option<&str>| {
            let mut flags = beside(key);
            flags.extend(flag.map(|value| (key, value)));
            let variable = key.variable();
            let env: Vec<_> = env
                .iter()
                .map(|value| (variable.as_str(), *value))
                .collect();
            let (given, _folder) = given(toml, &env, &flags);
            let settings = Settings::gather(&given);
            let setting = settings.all().iter().find(|setting| setting.key == key);
            (setting.unwrap().text.clone(), Config::check(settings))
        };
        let (text, changed) = load(None, None, Some(&one));
        assert_eq!(text, one);
        let changed = changed.unwrap_or_else(|e| panic!("{}: {e}", key.path));
        let unchanged = load(None, None, None).1;
        assert_ne!(Ok(&changed), unchanged.as_ref(), "{}", key.path);
        for (file, env, flag) in [
            (Some(&*one), None, None),
            (None, Some(&*one), None),
            (Some(&*two), Some(&*one), None),
            (Some(&*two), Some(&*two), Some(&*one)),
            (Some(&*two), None, Some(&*one)),
        ] {
            let (text, config) = load(file.map(toml).as_deref(), env, flag);
            let case = format!("{}: {file:?} {env:?} {flag:?}", key.path);
            assert_eq!(
                (text, config.as_ref()),
                (one.clone(), Ok(&changed)),
                "{case}"
            );
        }
    }
}

#[test]
fn committed_files_are_what_the_table_says() {
    let sample = include_str!("../../../config/server.toml");
    assert!(
        sample == show::sample(),
        "config/server.toml: run 'just generate'"
    );
    let documentation = include_str!("../../../config/CONFIGURATION.md");
    assert!(
        documentation == show::documentation(),
        "config/CONFIGURATION.md: run 'just generate'"
    );
    assert_eq!(load(sample, &[]).unwrap(), Config::defaults().unwrap());
}

#[test]
fn samples_are_allowed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            let given = Given {
                file: Some(path.clone()),
                ..Given::default()
            };
            Config::load(&given).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            count += 1;
        }
    }
    assert!(count >= 3);
}

#[test]
fn what_is_shown_can_be_loaded_again() {
    let (given, _folder) = given(
        Some("[server]\nport = 1"),
        &[("WORLDKEEPER_WORLD__GENRE", "horror")],
        &[(&keys::SERVER_TICK_RATE_HZ, "30")],
    );
    let settings = Settings::gather(&given);
    let shown = show::effective(&settings);
    for words in [
        "port = 1 ",
        "server.toml:2\n",
        "# WORLDKEEPER_WORLD__GENRE\n",
        "# --tick-rate\n",
        "# default\n",
    ] {
        assert!(shown.contains(words), "{words:?} is not in\n{shown}");
    }
    assert_eq!(load(&shown, &[]).unwrap(), Config::check(settings).unwrap());
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
fn refusals_name_the_place_the_key_and_the_remedy() {
    for (toml, env, expect) in [
        (
            "\n[server]\nprot = 1",
            &[][..],
            &["server.toml:3: unknown key server.prot; did you mean port?"][..],
        ),
        (
            "[sever]\nport = 1",
            &[],
            &["server.toml:1: unknown section sever; did you mean server?"],
        ),
        (
            "[colour]\nred = 1",
            &[],
            &["unknown section colour; there are server, world"],
        ),
        (
            "colour = 1",
            &[],
            &["unknown key colour outside of any section", "server, world"],
        ),
        (
            "seed = 1",
            &[],
            &["outside of any section; did you mean world.seed?"],
        ),
        (
            "[server]\nseed = 1",
            &[],
            &["unknown key server.seed; did you mean world.seed?"],
        ),
        ("[server]\nzzzzzzzzz = 1", &[], &["known here: host, port"]),
        (
            "server.port.x = 1",
            &[],
            &["server.toml:1: server.port: this is a TOML table"],
        ),
        (
            "",
            &[("WORLDKEEPER_WORLD__SEEDS", "1")],
            &[
                "WORLDKEEPER_WORLD__SEEDS: there is no such variable; did you mean WORLDKEEPER_WORLD__SEED?",
            ],
        ),
        (
            "",
            &[("WORLDKEEPER_SEED", "1")],
            &["WORLDKEEPER_SEED: there is no such variable; did you mean WORLDKEEPER_WORLD__SEED?"],
        ),
        (
            "[server]\nport = \"x\"",
            &[],
            &["server.toml:2: server.port: \"x\" is a string"],
        ),
        (
            "[server]\nport = true",
            &[],
            &["server.port: this is a TOML boolean"],
        ),
        (
            "[server]\nport = 1.5",
            &[],
            &["server.port: this is a TOML float"],
        ),
        (
            "[server]\nhost = 1",
            &[],
            &["server.host: a number; give a string"],
        ),
        (
            "[server]\nport = -1",
            &[],
            &["server.port: -1; choose 1 to 65535"],
        ),
        (
            "[server]\nport = 70000",
            &[],
            &["server.toml:2: server.port: 70000"],
        ),
        (
            "[world]\nseed = 99999999999999999999",
            &[],
            &["world.seed: more than 64 bits"],
        ),
        (
            "[server]\ntick_rate_hz = 25",
            &[],
            &["server.tick_rate_hz: 25; choose 10, 20, 30 or 60"],
        ),
        (
            "",
            &[("WORLDKEEPER_SERVER__MAX_PLAYERS", "0")],
            &["WORLDKEEPER_SERVER__MAX_PLAYERS: server.max_players: 0; choose 1 to 5000"],
        ),
        (
            "",
            &[("WORLDKEEPER_SERVER__MAX_PLAYERS", "")],
            &["server.max_players: \"\""],
        ),
        (
            "[server]\nhost = \"localhost\"",
            &[],
            &["server.host: \"localhost\"", "127.0.0.1"],
        ),
        (
            "[server]\nconnection_timeout = 10",
            &[],
            &[
                "server.toml:2: server.connection_timeout: 10 s",
                "server.pong_timeout (10 s)",
            ],
        ),
        (
            "[server]\njson_rate_hz = 30",
            &[],
            &["server.json_rate_hz: 30 is more than"],
        ),
        (
            "[server]\nmax_messages_per_second = 10",
            &[],
            &["server.max_messages_per_second: 10 is less"],
        ),
        (
            "[server]\nport = 9090",
            &[],
            &["agent.port: 9090 is server.port as well"],
        ),
        (
            "[server]\nmax_message_size = 100000",
            &[],
            &["server.max_message_size: 100000"],
        ),
        (
            "[world]\ngenre = \"Western\"",
            &[],
            &["world.genre: \"Western\"", "Cyberpunk"],
        ),
        ("[world]\ngenre = \"Sci-Fi\"", &[], &["did you mean SciFi?"]),
        (
            "[world]\nname = \"x\"",
            &[],
            &["world.name", "namespace/gameserver"],
        ),
        (
            "[world]\nsize = 100",
            &[],
            &["world.size: 100; choose 256 to 16384"],
        ),
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
            &["logging.format: \"xml\"", "text or json"],
        ),
        (
            "[logging]\nlevel = \"=x=\"",
            &[],
            &["logging.level", "debug"],
        ),
        ("[server", &[], &["server.toml:1: this is no TOML"]),
        (
            "[server]\nport = 1\nport = 2",
            &[],
            &["server.toml:3: this is no TOML", "duplicate"],
        ),
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
fn all_mistakes_at_once() {
    let (given, _folder) = given(
        Some("[server]\nprot = 1\nport = 70000\nmax_players = 0\n[wrld]\nseed = 1\n"),
        &[
            ("WORLDKEEPER_SERVER__MAX_PLAYERS", "5"),
            ("WORLDKEEPER_NONSENSE", "1"),
            ("WORLDKEEPER_SERVER__JSON_RATE_HZ", "21"),
        ],
        &[(&keys::WORLD_SIZE, "1"), (&keys::WORLD_GENRE, "")],
    );
    let mistakes = Config::load(&given).unwrap_err();
    let text = mistakes.to_string();
    for words in [
        "server.prot",
        "70000",
        // Though the environment's is right.
        "server.toml:4: server.max_players: 0",
        "wrld",
        "NONSENSE",
        "json_rate_hz",
        "--size: world.size: 1",
        "--genre: world.genre",
    ] {
        assert!(text.contains(words), "{text} lacks {words}");
    }
    assert_eq!(mistakes.0.len(), 8, "{text}");
}

#[test]
fn files_that_are_none() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let latin = write("latin.toml", b"# caf\xC3\xA9\n# caf\xE9\n");
    let huge = write("huge.toml", &vec![b'#'; 1024 * 1024 + 1]);
    for (path, words) in [
        (
            PathBuf::from("/nowhere/server.toml"),
            "there is no such file",
        ),
        (folder.path().to_path_buf(), "it is a folder"),
        (latin, "line 2: byte 0xE9 is not UTF-8"),
        (huge, "larger than 1048576 bytes"),
    ] {
        let given = Given {
            file: Some(path.clone()),
            ..Given::default()
        };
        let error = Config::load(&given).unwrap_err().to_string();
        assert!(
            error.contains(words) && error.contains(&*path.to_string_lossy()),
            "{error}"
        );
    }
    let value = std::ffi::OsStr::from_bytes(b"\xFF").to_owned();
    let given = Given {
        environment: vec![("WORLDKEEPER_WORLD__SEED".into(), value)],
        ..Given::default()
    };
    let error = Config::load(&given).unwrap_err().to_string();
    assert!(
        error.contains("WORLDKEEPER_WORLD__SEED: world.seed: is not UTF-8"),
        "{error}"
    );
}

/// Whether a client that is heard only by its pongs, the last of which came just after a ping had gone
/// out, is given up though each of its pongs comes in time.
fn cut_off(ping: Duration, silence: Duration, pong: Duration) -> bool {
    ping + pong > silence
}

proptest! {
    /// Whatever is allowed: who answers in time stays, who is silent is gone within connection_timeout,
    /// and pings are at least as frequent as was asked for.
    #[test]
    fn timeouts_go_together(ping in 1..=600_u64, pong in 1..=600_u64, connection in 2..=3600_u64) {
        let flags = [
            (&keys::SERVER_PING_INTERVAL, ping.to_string()),
            (&keys::SERVER_PONG_TIMEOUT, pong.to_string()),
            (&keys::SERVER_CONNECTION_TIMEOUT, connection.to_string()),
        ];
        let flags: Vec<(&Key, &str)> = flags.iter().map(|(key, value)| (*key, value.as_str())).collect();
        match Config::load(&given(None, &[], &flags).0) {
            Err(_) => prop_assert!(connection <= pong),
            Ok(config) => {
                let Server { ping_interval, silence_timeout, .. } = config.server;
                let pong = Duration::from_secs(pong);
                prop_assert!(!cut_off(ping_interval, silence_timeout, pong));
                prop_assert!(silence_timeout <= Duration::from_secs(connection));
                prop_assert!(ping_interval >= Duration::from_secs(1));
                prop_assert!(ping_interval <= Duration::from_secs(ping));
                // Wrong: the values as they are written. A silent client would be cut off with the
                // defaults of 30, 10 and 30.
                let as_written = (Duration::from_secs(30), Duration::from_secs(30));
                prop_assert!(cut_off(as_written.0, as_written.1, Duration::from_secs(10)));
            }
        }
    }

    /// No file, however wrong, is more than a list of mistakes.
    #[test]
    fn any_text_is_read_to_its_end(text in "(\\[?(server|world|wrld)\\]?\n|[a-z_]{1,12} ?= ?(-?[0-9]{1,25}|\"[a-z]*\"|\\[1\\]|true)\n|\\PC{0,20}\n){0,12}") {
        let _ = load(&text, &[]);
    }
}
