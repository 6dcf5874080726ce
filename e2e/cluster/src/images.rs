//! Images, brought to the nodes without a registry.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::binaries::{Binaries, hex};
use crate::command::{run, tool};
use crate::error::{Error, FileContext, Result};
use crate::files;
use crate::paths::State;
use crate::plan::{NODES, Node};
use crate::process::recorded;
use crate::progress::Progress;

/// Holds a pod's namespaces; made here and never pulled.
pub(crate) const PAUSE: &str = "worldkeeper.dev/pause:1";

/// Brings an image to every node that runs: a file that `docker save` or
/// `buildah push` to `docker-archive` wrote, or the name of an image that
/// buildah built.
pub(crate) fn load(state: &State, image: &str, progress: &Progress) -> Result<()> {
    let path = Path::new(image);
    if path.is_file() {
        let names = names_in(path);
        return import_where_missing(state, image, &names, || Ok(path.to_owned()), progress);
    }
    let identity = identity_in_buildah(image)?;
    let names = BTreeMap::from([(normalized(image), identity)]);
    let folder = tempfile::tempdir_in(state.live()).on("write into", &state.live())?;
    let archive = folder.path().join("image.tar");
    let export = || {
        run(buildah()
            .args(["push", "--quiet", image])
            .arg(format!("docker-archive:{}:{image}", archive.display())))?;
        Ok(archive.clone())
    };
    import_where_missing(state, image, &names, export, progress)
}

fn import_where_missing(
    state: &State,
    image: &str,
    names: &BTreeMap<String, String>,
    archive: impl FnOnce() -> Result<PathBuf>,
    progress: &Progress,
) -> Result<()> {
    let (running, stopped): (Vec<Node>, Vec<Node>) = NODES.into_iter().partition(|node| {
        recorded(state, &format!("{}-containerd", node.name()))
            .is_some_and(|containerd| containerd.is_alive())
    });
    for node in stopped {
        progress.step(format!(
            "{} does not run: load {image} again after it was started",
            node.name()
        ));
    }
    let wanting: Vec<Node> = running
        .into_iter()
        .filter(|node| names.is_empty() || !has(&loaded(state, *node), names))
        .collect();
    if wanting.is_empty() {
        progress.step(format!("{image} is loaded already"));
        return Ok(());
    }
    let archive = archive()?;
    std::thread::scope(|scope| {
        let imports: Vec<_> = wanting
            .iter()
            .map(|node| {
                let archive = &archive;
                scope.spawn(move || {
                    import(state, *node, archive)?;
                    remember(state, *node, names)
                })
            })
            .collect();
        imports.into_iter().try_for_each(|import| {
            import.join().unwrap_or_else(|_| {
                Err(Error::unmet(
                    "an import panicked",
                    "this is a mistake in worldkeeper-cluster itself",
                ))
            })
        })
    })?;
    let nodes: Vec<String> = wanting.iter().map(|node| node.name()).collect();
    progress.step(format!("{image} loaded on {}", nodes.join(", ")));
    Ok(())
}

fn import(state: &State, node: Node, archive: &Path) -> Result<()> {
    run(tool("ctr")
        .arg("--address")
        .arg(state.node(node).socket())
        .args(["--namespace", "k8s.io", "image", "import"])
        .arg(archive))
    .map(drop)
}

fn loaded(state: &State, node: Node) -> BTreeMap<String, String> {
    fs::read_to_string(state.node(node).loaded())
        .ok()
        .and_then(|content| serde_json::from_str(&content).ok())
        .unwrap_or_default()
}

fn has(loaded: &BTreeMap<String, String>, names: &BTreeMap<String, String>) -> bool {
    names
        .iter()
        .all(|(name, identity)| loaded.get(name) == Some(identity))
}

fn remember(state: &State, node: Node, names: &BTreeMap<String, String>) -> Result<()> {
    let mut all = loaded(state, node);
    all.extend(names.clone());
    let content = serde_json::to_string_pretty(&all).unwrap_or_default();
    files::write(&state.node(node).loaded(), content)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ArchivedImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

/// The images of an archive with the identity of each; nothing if it is of a
/// kind that does not tell.
fn names_in(archive: &Path) -> BTreeMap<String, String> {
    run(tool("tar").arg("-xOf").arg(archive).arg("manifest.json"))
        .ok()
        .and_then(|manifest| names_in_manifest(&manifest))
        .unwrap_or_default()
}

fn names_in_manifest(manifest: &str) -> Option<BTreeMap<String, String>> {
    let images: Vec<ArchivedImage> = serde_json::from_str(manifest).ok()?;
    let mut names = BTreeMap::new();
    for image in images {
        // An image is known by the digest of its configuration.
        let file = image.config.rsplit('/').next()?;
        let identity = file.strip_suffix(".json").unwrap_or(file);
        if identity.len() != 64 {
            return None;
        }
        for name in image.repo_tags.unwrap_or_default() {
            names.insert(normalized(&name), identity.to_owned());
        }
    }
    Some(names)
}

/// The whole name of an image, as containerd writes it.
fn normalized(name: &str) -> String {
    let (domain, rest) = match name.split_once('/') {
        Some((domain, rest)) if domain == "localhost" || domain.contains(['.', ':']) => {
            (domain, rest.to_owned())
        }
        Some(_) => ("docker.io", name.to_owned()),
        None => ("docker.io", format!("library/{name}")),
    };
    let tag = if rest.contains(':') { "" } else { ":latest" };
    format!("{domain}/{rest}{tag}")
}

fn buildah() -> Command {
    let mut command = tool("buildah");
    if env::var_os("STORAGE_DRIVER").is_none() {
        command.args(["--storage-driver", "vfs"]);
    }
    command
}

fn identity_in_buildah(image: &str) -> Result<String> {
    let inspected = run(buildah().args([
        "inspect",
        "--type",
        "image",
        "--format",
        "{{.FromImageID}}",
        image,
    ]));
    match inspected {
        Ok(identity) => Ok(identity.trim().to_owned()),
        Err(failed) => Err(Error::unmet(
            format!("{image} is neither a file nor an image of buildah ({failed})"),
            format!(
                "build it with `buildah bud --isolation chroot --storage-driver vfs -t {image} …`"
            ),
        )),
    }
}

/// Makes the pause image and imports it, unless the node has it.
pub(crate) fn ensure_pause(state: &State, binaries: &Binaries, node: Node) -> Result<()> {
    let archive = state.node(node).file("pause.tar");
    if !archive.exists() {
        let folder = tempfile::tempdir_in(state.live()).on("write into", &state.live())?;
        let whole = folder.path().join("pause.tar");
        archive_program(
            &binaries.program("pause"),
            PAUSE,
            &folder.path().join("parts"),
            &whole,
        )?;
        import(state, node, &whole)?;
        fs::rename(&whole, &archive).on("rename to", &archive)?;
    }
    Ok(())
}

/// Writes an image whose only content is one static program.
fn archive_program(program: &Path, name: &str, parts: &Path, archive: &Path) -> Result<()> {
    let root = parts.join("root");
    files::create_folder(&root)?;
    let file = program.file_name().unwrap_or_default();
    fs::copy(program, root.join(file)).on("copy", program)?;
    let tar = |to: &Path, from: &Path, members: &[&std::ffi::OsStr]| {
        run(tool("tar")
            .args(["--create", "--sort=name", "--mtime=@0"])
            .args(["--owner=0", "--group=0", "--numeric-owner"])
            .arg("--file")
            .arg(to)
            .arg("--directory")
            .arg(from)
            .args(members))
    };
    let layer = parts.join("layer.tar");
    tar(&layer, &root, &[file])?;
    let digest = hex(&Sha256::digest(fs::read(&layer).on("read", &layer)?));
    let architecture = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Entrypoint": [format!("/{}", file.to_string_lossy())] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    })
    .to_string();
    let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
    let manifest = serde_json::json!([{
        "Config": config_name,
        "RepoTags": [name],
        "Layers": ["layer.tar"],
    }]);
    files::write(&parts.join(&config_name), config)?;
    files::write(&parts.join("manifest.json"), manifest.to_string())?;
    let members = ["manifest.json", &config_name, "layer.tar"].map(std::ffi::OsStr::new);
    tar(archive, parts, &members).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_containerd_does() {
        let check = |name: &str, expect: &str| assert_eq!(normalized(name), expect);
        check("pause", "docker.io/library/pause:latest");
        check("pause:1", "docker.io/library/pause:1");
        check("worldkeeper/server:dev", "docker.io/worldkeeper/server:dev");
        check("localhost/server", "localhost/server:latest");
        check("worldkeeper.dev/a/b:2", "worldkeeper.dev/a/b:2");
        check("host:5000/a", "host:5000/a:latest");
    }

    #[test]
    fn an_image_is_loaded_only_under_the_same_identity() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(name, identity)| ((*name).to_owned(), (*identity).to_owned()))
                .collect()
        };
        let loaded = map(&[("a:1", "x"), ("b:1", "y")]);
        assert!(has(&loaded, &map(&[("a:1", "x")])));
        assert!(has(&loaded, &map(&[("a:1", "x"), ("b:1", "y")])));
        assert!(!has(&loaded, &map(&[("a:1", "new")])));
        assert!(!has(&loaded, &map(&[("a:1", "x"), ("c:1", "z")])));
    }

    #[test]
    fn an_archive_tells_its_names_and_identities() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let archive = folder.path().join("image.tar");
        archive_program(
            Path::new("/bin/true"),
            "worldkeeper.dev/true:1",
            &folder.path().join("parts"),
            &archive,
        )
        .expect("an archive");
        let names = names_in(&archive);
        assert_eq!(names.len(), 1);
        assert_eq!(names["worldkeeper.dev/true:1"].len(), 64);
        assert!(names_in(Path::new("/bin/true")).is_empty());
        assert_eq!(names_in_manifest(r#"[{"Config":"config.json"}]"#), None);
    }
}
