//! The real program with every mistake that a configuration can have: each is refused at start, by name,
//! with the remedy. What is right takes effect, flags over environment over file over defaults.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result, ensure};
use worldkeeper_server::config::{Key, keys};

use crate::local::{Place, Setup};

/// How the program ends when its configuration is wrong.
const MISCONFIGURED: i32 = 2;
/// Runs what follows without the rights of the superuser, for whom files and ports are never closed.
const POWERLESS: &[&str] = &["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

pub(super) async fn run(place: Place) -> Result<()> {
    precedence(&place).await?;
    place.say(format!(
        "{} keys: flag over environment over file over default",
        keys::ALL.len()
    ));
    let refused = mistakes(&place).await?;
    place.say(format!("{refused} mistakes are refused by name"));
    files(&place).await?;
    ports(&place).await?;
    descriptors(&place).await?;
    place.say("files, ports and descriptors that cannot be had are named");
    written(&place).await?;
    content(&place).await?;
    takes_effect(&place).await?;
    unconfigured(&place).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// It ended so, and said all of these words.
fn says(what: &str, output: &Output, code: i32, words: &[&str]) -> Result<()> {
    let said = text(&output.stderr);
    ensure!(
        output.status.code() == Some(code),
        "{what}: it ended with {}, not with {code}: {said}",
        output.status
    );
    for word in words {
        ensure!(said.contains(word), "{what}: {word:?} is not in {said:?}");
    }
    Ok(())
}

fn check() -> Setup {
    Setup::default().arg("config").arg("check")
}

fn flag(setup: Setup, key: &Key, value: &str) -> Setup {
    setup.arg(format!("--{}={value}", key.flag))
}

fn write(place: &Place, name: &str, bytes: impl AsRef<[u8]>) -> Result<PathBuf> {
    let path = place.folder.join(name);
    fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// What `config check` shows for a key: its value, and where that came from.
fn shown(output: &Output, key: &Key) -> Result<(String, String)> {
    let text = text(&output.stdout);
    let mut section = "";
    for line in text.lines() {
        if let Some(begun) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = begun;
        }
        let value = line
            .strip_prefix(key.name())
            .and_then(|rest| rest.strip_prefix(" = "));
        if let Some(value) = value.filter(|_| section == key.section()) {
            let (value, source) = value
                .rsplit_once("  # ")
                .context("a value without a source")?;
            return Ok((value.trim_end().to_owned(), source.to_owned()));
        }
    }
    anyhow::bail!("{} is not in {text:?}", key.path)
}

/// What a value of this key needs beside it, to be no contradiction.
fn beside(key: &Key) -> &'static [(&'static str, &'static str)] {
    match key.path {
        "agent.jwks_file" => &[("WORLDKEEPER_AGENT__POD_UID", "uid")],
        "agent.pod_uid" => &[("WORLDKEEPER_AGENT__JWKS_FILE", "/keys")],
        "server.pong_timeout" => &[("WORLDKEEPER_SERVER__CONNECTION_TIMEOUT", "3600")],
        "server.json_rate_hz" => &[("WORLDKEEPER_SERVER__TICK_RATE_HZ", "60")],
        _ => &[],
    }
}

/// Each key in every form that it has.
async fn precedence(place: &Place) -> Result<()> {
    for key in keys::ALL {
        let one = key.kind.another(key.default);
        let two = key.kind.another(&one);
        let file = |name: &str, value: &str| {
            let value = key.kind.to_toml(value);
            write(
                place,
                name,
                format!("[{}]\n{} = {value}\n", key.section(), key.name()),
            )
        };
        let base = || {
            beside(key)
                .iter()
                .fold(check(), |setup, (name, value)| setup.env(name, value))
        };
        let (first, second) = (file("one.toml", &one)?, file("two.toml", &two)?);
        let in_file = |path: &Path| format!("{}:2", path.display());
        let in_flag = format!("--{}", key.flag);
        for (setup, value, source) in [
            (base().arg("--config").arg(&first), &one, in_file(&first)),
            (
                base()
                    .arg("--config")
                    .arg(&second)
                    .env(key.variable(), &one),
                &one,
                key.variable(),
            ),
            (
                flag(
                    base()
                        .env("WORLDKEEPER_CONFIG", &first)
                        .env(key.variable(), &one),
                    key,
                    &two,
                ),
                &two,
                in_flag.clone(),
            ),
            (
                flag(base().arg("--config").arg(&second), key, &one),
                &one,
                in_flag,
            ),
        ] {
            let output = place.run_server(setup).await?;
            says(key.path, &output, 0, &[])?;
            let (value_shown, source_shown) = shown(&output, key)?;
            ensure!(
                value_shown == key.kind.to_toml(value) && source_shown == source,
                "{}: {value_shown} from {source_shown} is shown, not {value} from {source}",
                key.path
            );
        }
    }
    let output = place.run_server(check()).await?;
    for key in keys::ALL {
        let expect = (key.kind.to_toml(key.default), "default".to_owned());
        ensure!(
            shown(&output, key)? == expect,
            "{} without anything",
            key.path
        );
    }
    Ok(())
}

/// What is wrong with values and names, however they are given: how many were tried.
async fn mistakes(place: &Place) -> Result<usize> {
    let file = |name: &str, text: &str| -> Result<Setup> {
        Ok(Setup::default()
            .arg("--config")
            .arg(write(place, name, text)?))
    };
    let env = |name: &str, value: &str| Setup::default().env(name, value);
    let args = |words: &[&str]| {
        words
            .iter()
            .fold(Setup::default(), |setup, word| setup.arg(word))
    };
    let mut cases: Vec<(Setup, Vec<&str>)> = vec![
        (
            file("key.toml", "[server]\n\nmax_playes = 5\n")?,
            vec!["key.toml:3: unknown key server.max_playes; did you mean max_players?"],
        ),
        (
            file("section.toml", "# worlds\n[wrold]\nseed = 1\n")?,
            vec!["section.toml:2: unknown section wrold; did you mean world?"],
        ),
        (
            file("elsewhere.toml", "[server]\ngenre = \"Horror\"\n")?,
            vec!["elsewhere.toml:2: unknown key server.genre; did you mean world.genre?"],
        ),
        (
            file("outside.toml", "seed = 1\n")?,
            vec!["outside.toml:1:", "did you mean world.seed?"],
        ),
        (
            file("type.toml", "[server]\nport = \"7777\"\n")?,
            vec!["type.toml:2: server.port:", "give a whole number"],
        ),
        (
            file("syntax.toml", "[server]\nport = = 1\n")?,
            vec!["syntax.toml:2: this is no TOML"],
        ),
        (
            file("twice.toml", "[server]\nport = 1\nport = 2\n")?,
            vec!["twice.toml:3: this is no TOML", "duplicate"],
        ),
        (
            env("WORLDKEEPER_SERVER__PROT", "1"),
            vec![
                "WORLDKEEPER_SERVER__PROT:",
                "did you mean WORLDKEEPER_SERVER__PORT?",
            ],
        ),
        (
            env("WORLDKEEPER_SEED", "1"),
            vec!["did you mean WORLDKEEPER_WORLD__SEED?"],
        ),
        (
            env("WORLDKEEPER_PORT", "7000"),
            vec![
                "WORLDKEEPER_PORT:",
                "did you mean WORLDKEEPER_SERVER__PORT?",
            ],
        ),
        (
            env("WORLDKEEPER_SERVER__TICK_RATE_HZ", "25"),
            vec![
                "WORLDKEEPER_SERVER__TICK_RATE_HZ: server.tick_rate_hz: 25; choose 10, 20, 30 or 60",
            ],
        ),
        (
            args(&["--max-players", "5001"]),
            vec!["--max-players: server.max_players: 5001; choose 1 to 5000"],
        ),
        (args(&["--port", "-1"]), vec!["--port: server.port: -1"]),
        (
            args(&["--seed", "9007199254740992"]),
            vec!["world.seed", "9007199254740991"],
        ),
        (
            args(&["--genre", "Horor"]),
            vec!["--genre: world.genre: \"Horor\"; did you mean Horror?"],
        ),
        (
            args(&["--size", "100"]),
            vec!["world.size: 100; choose 256 to 16384"],
        ),
        (
            args(&["--world-name", "here"]),
            vec!["world.name", "choose namespace/gameserver"],
        ),
        (
            args(&["--host", "localhost"]),
            vec!["server.host", "127.0.0.1 for this machine"],
        ),
        (
            args(&["--log-level", "=,="]),
            vec!["logging.level", "debug"],
        ),
        (
            args(&["--connection-timeout", "10"]),
            vec![
                "--connection-timeout: server.connection_timeout: 10 s",
                "server.pong_timeout",
            ],
        ),
        (
            args(&["--json-rate", "21"]),
            vec!["server.json_rate_hz: 21 is more than server.tick_rate_hz"],
        ),
        (
            args(&["--port", "9090"]),
            vec!["agent.port: 9090 is server.port as well"],
        ),
        (
            args(&["--agent-pod-uid", "u"]),
            vec!["agent.jwks_file", "leave both empty"],
        ),
        (
            args(&["--agent-jwks-file", "f"]),
            vec!["agent.pod_uid", "metadata.uid"],
        ),
        (args(&["--verbos"]), vec!["--verbos", "--verbose"]),
        (
            args(&["--verbose", "--log-level", "warn"]),
            vec!["--verbose", "cannot be used with"],
        ),
        (args(&["sreve"]), vec!["sreve", "serve"]),
    ];
    let all = file(
        "all.toml",
        "[server]\nprot = 1\nmax_players = 0\n[wrld]\nseed = 1\n",
    )?
    .env("WORLDKEEPER_WORLD__SEEDS", "1")
    .arg("--tick-rate=7");
    cases.push((
        all,
        vec![
            "5 mistakes",
            "all.toml:2: unknown key",
            "all.toml:3: server.max_players: 0",
            "all.toml:4: unknown section",
            "WORLDKEEPER_WORLD__SEEDS:",
            "--tick-rate:",
        ],
    ));
    for (setup, words) in &cases {
        // At a start, and when it is only asked about.
        let what = format!("{setup:?}");
        says(
            &what,
            &place.run_server(setup.clone()).await?,
            MISCONFIGURED,
            words,
        )?;
        let asked = setup.clone().arg("config").arg("check");
        says(
            &what,
            &place.run_server(asked).await?,
            MISCONFIGURED,
            &words[..1],
        )?;
    }
    // What Kubernetes tells of Services is nobody's mistake.
    let services = check()
        .env("WORLDKEEPER_SERVICE_HOST", "10.0.0.1")
        .env("WORLDKEEPER_SERVER_SERVICE_PORT_GAME", "7777")
        .env("WORLDKEEPER_SERVER_PORT", "tcp://10.0.0.1:7777")
        .env("WORLDKEEPER_SERVER_PORT_7777_TCP_ADDR", "10.0.0.1");
    says("Services", &place.run_server(services).await?, 0, &[])?;
    Ok(cases.len())
}

/// Without rights, where this process has any to lose.
fn powerless(setup: Setup) -> Setup {
    if nix::unistd::geteuid().is_root() {
        setup.under(POWERLESS)
    } else {
        setup
    }
}

/// Files that are none.
async fn files(place: &Place) -> Result<()> {
    let given = |path: &Path| Setup::default().arg("--config").arg(path);
    let closed = write(place, "closed.toml", "")?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000))?;
    let latin = write(place, "latin.toml", b"[world]\n# caf\xE9\n")?;
    let huge = write(place, "huge.toml", vec![b'\n'; 2 << 20])?;
    for (setup, words) in [
        (
            given(Path::new("/nowhere/x.toml")),
            ["/nowhere/x.toml", "there is no such file"],
        ),
        (
            given(&place.folder),
            ["it is a folder", "give --config a file"],
        ),
        (
            powerless(given(&closed)),
            ["closed.toml", "it may not be read"],
        ),
        (
            given(&latin),
            ["latin.toml", "line 2: byte 0xE9 is not UTF-8"],
        ),
        (given(&huge), ["huge.toml", "larger than 1048576 bytes"]),
        (given(Path::new("/dev/zero")), ["/dev/zero", "larger than"]),
    ] {
        let what = format!("{setup:?}");
        says(
            &what,
            &place.run_server(setup).await?,
            MISCONFIGURED,
            &words,
        )?;
    }
    Ok(())
}

fn here() -> Setup {
    Setup::default()
        .set("server.host", "127.0.0.1")
        .set("server.port", 0)
        .set("agent.host", "127.0.0.1")
        .set("agent.port", 0)
        .set("world.size", 256)
}

/// Ports and addresses that cannot be had.
async fn ports(place: &Place) -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let mut cases = vec![
        (
            here().set("server.port", port),
            vec![
                format!("127.0.0.1:{port}"),
                "in use".into(),
                "set server.port".into(),
                "--port".into(),
            ],
        ),
        (
            here().set("agent.port", port),
            vec!["in use".into(), "WORLDKEEPER_AGENT__PORT".into()],
        ),
        (
            here().set("server.host", "192.0.2.1"),
            vec![
                "this machine has no such address".into(),
                "set server.host".into(),
            ],
        ),
        (
            here().set("agent.socket", "/nowhere/agent.sock"),
            vec!["/nowhere/agent.sock".into(), "agent.socket".into()],
        ),
    ];
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")?;
    if first.trim().parse::<u16>()? > 81 {
        cases.push((
            powerless(here()).set("server.port", 81),
            vec![
                "no right to that port".into(),
                "CAP_NET_BIND_SERVICE".into(),
            ],
        ));
    } else {
        place.say("every port is open to everyone on this machine: a closed one is not tried");
    }
    for (setup, words) in cases {
        let what = format!("{setup:?}");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        says(&what, &place.run_server(setup).await?, 1, &words)?;
    }
    Ok(())
}

/// Too few file descriptors; and a soft limit that can be raised.
async fn descriptors(place: &Place) -> Result<()> {
    let few = here()
        .set("server.max_players", 1000)
        .under(&["prlimit", "--nofile=512:1024"]);
    let output = place.run_server(few).await?;
    let words = [
        "too few file descriptors",
        "1384",
        "LimitNOFILE",
        "at most 640",
    ];
    says("few descriptors", &output, 1, &words)?;

    let setup = Setup::default()
        .set("world.size", 256)
        .set("server.max_players", 640)
        .under(&["prlimit", "--nofile=64:1024"]);
    let server = place.server("descriptors", setup).await?;
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid()?))?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    ensure!(
        soft == Some("1024"),
        "the soft limit was not raised: {line:?}"
    );
    ensure!(
        server.log_text()?.contains("few file descriptors"),
        "that they are few is not said"
    );
    server.stop().await?;
    Ok(())
}

/// The program writes what is committed; each sample is allowed, and what it says takes effect.
async fn written(place: &Place) -> Result<()> {
    let folder = crate::install::checkout::root()?.join("config");
    for (command, file) in [("keys", "CONFIGURATION.md"), ("sample", "server.toml")] {
        let output = place
            .run_server(Setup::default().arg("config").arg(command))
            .await?;
        ensure!(
            text(&output.stdout) == fs::read_to_string(folder.join(file))?,
            "config/{file} is not what the program writes: run 'just generate'"
        );
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            let output = place.run_server(check().arg("--config").arg(&path)).await?;
            says(&path.display().to_string(), &output, 0, &[])?;
            // What is shown is a file itself, with the same meaning.
            let again = write(place, "again.toml", &output.stdout)?;
            let again = place.run_server(check().arg("--config").arg(again)).await?;
            for key in keys::ALL {
                ensure!(
                    shown(&output, key)?.0 == shown(&again, key)?.0,
                    "{} of {}",
                    key.path,
                    path.display()
                );
            }
        }
    }
    let version = place.run_server(Setup::default().arg("--version")).await?;
    ensure!(
        text(&version.stdout).trim() == concat!("worldkeeper-server ", env!("CARGO_PKG_VERSION")),
        "--version: {version:?}"
    );
    Ok(())
}

/// Content files are checked by the program as well: those that it is made of, and one with mistakes.
async fn content(place: &Place) -> Result<()> {
    let folder = crate::install::checkout::root()?.join("gameserver/sim/content");
    let check = || Setup::default().arg("content").arg("check");
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let output = place.run_server(check().arg(&path)).await?;
        says(&path.display().to_string(), &output, 0, &[])?;
        let wrong = fs::read_to_string(&path)?.replace("\n[[items]]\n", "\n[[itmes]]\n");
        let line = 1 + wrong
            .lines()
            .take_while(|line| *line != "[[itmes]]")
            .count();
        let wrong = write(place, "content.toml", wrong)?;
        let output = place.run_server(check().arg(wrong)).await?;
        let place_of_it = format!("content.toml:{line}: ");
        says("content", &output, MISCONFIGURED, &[&place_of_it, "itmes"])?;
        files += 1;
    }
    ensure!(files == 5, "{files} files of content for five genres");
    place.say("content is checked, with the line of a mistake");
    Ok(())
}

/// A running world is what the winning values say.
async fn takes_effect(place: &Place) -> Result<()> {
    let file = "[server]\nmax_players = 7\ntick_rate_hz = 60\n[world]\ngenre = \"SciFi\"\nsize = 300\nname = \"games/file\"\n";
    let setup = Setup::default()
        .arg("--config")
        .arg(write(place, "world.toml", file)?)
        .set("server.max_players", 8)
        .set("world.genre", "Horror")
        .set("world.name", "games/variable")
        .arg("--genre=cyberpunk")
        .arg("--seed=42")
        .arg("--verbose");
    let server = place.server("world", setup).await?;
    let metrics = server.metrics().await?;
    let seats = metrics.get("world_capacity")?;
    ensure!((seats - 8.0).abs() < 0.5, "{seats} seats");
    let build = metrics.family("world_build_info");
    let labels = build.keys().next().context("no world_build_info")?;
    for words in ["world=\"games/variable\"", "genre=\"Cyberpunk\""] {
        ensure!(labels.contains(words), "{words} is not in {labels}");
    }
    let made = server.log_text()?;
    let made = made.lines().find(|line| line.contains("world made"));
    ensure!(
        made.is_some_and(|line| line.contains("\"seed\":42")),
        "{made:?}"
    );
    server.stop().await?;
    Ok(())
}

/// With nothing at all it serves a world, and says where to open it.
async fn unconfigured(place: &Place) -> Result<()> {
    let free = |port| TcpListener::bind(("0.0.0.0", port)).is_ok();
    if !free(7777) || !free(9090) {
        place.say("port 7777 or 9090 is in use: a start without configuration is not tried");
        return Ok(());
    }
    let server = place.bare_server("bare", Setup::default()).await?;
    ensure!(server.players.port() == 7777 && server.agent.port() == 9090);
    let log = server.log_text()?;
    ensure!(
        log.contains("http://127.0.0.1:7777/"),
        "it does not say where to open it"
    );
    let status = server.stop().await?;
    ensure!(status.success(), "the server ended with {status}");
    Ok(())
}
