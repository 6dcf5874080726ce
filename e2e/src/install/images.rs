//! The images of the operator and the world server, made here and put on the nodes.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{Cluster, checkout, cluster, tool};
use anyhow::{Context, Result, bail};

/// Environment variable with the operator's image, for a cluster of [`cluster::KUBECONFIG`].
pub(crate) const OPERATOR_IMAGE: &str = "WORLDKEEPER_IMAGE_OPERATOR";
/// Environment variable with the world server's image, for a cluster of [`cluster::KUBECONFIG`].
pub(crate) const SERVER_IMAGE: &str = "WORLDKEEPER_IMAGE_SERVER";
/// Environment variable with an image to build on, instead of one made from Debian packages.
pub(crate) const BASE_IMAGE: &str = "WORLDKEEPER_IMAGE_BASE";

/// What the binaries need to run: the C library, certificate authorities and time zones.
const BASE_PACKAGES: [&str; 4] = ["ca-certificates", "libc6", "libgcc-s1", "tzdata"];
const BASE: &str = "localhost/worldkeeper-base:dev";

/// The images, by the names under which pods pull them.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    /// The operator.
    pub(crate) operator: Image,
    /// The world server and the bots.
    pub(crate) server: Image,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// Its full name, with the tag.
    pub(crate) name: String,
    /// Changes with its content; its name does not.
    pub(crate) id: String,
    /// The file that holds it, if it was made here.
    pub(crate) archive: Option<PathBuf>,
}

impl Image {
    fn given(name: String) -> Self {
        Self {
            id: name.clone(),
            name,
            archive: None,
        }
    }

    /// Repository and tag, as the chart wants them.
    #[must_use]
    pub(crate) fn repository_and_tag(&self) -> (&str, &str) {
        match self.name.rsplit_once(':') {
            // A colon before a slash is that of a port.
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (&self.name, "latest"),
        }
    }
}

struct Recipe {
    name: &'static str,
    dockerfile: &'static str,
    binaries: &'static [&'static str],
}

const OPERATOR: Recipe = Recipe {
    name: "worldkeeper-operator",
    dockerfile: "Dockerfile.operator",
    binaries: &["worldkeeper-operator"],
};
const SERVER: Recipe = Recipe {
    name: "worldkeeper-server",
    dockerfile: "Dockerfile.server",
    binaries: &["worldkeeper-server", "worldkeeper-bots"],
};

/// The images, built from the checkout as it is and loaded into the machine's own cluster; for
/// another cluster, those that the environment names.
///
/// # Errors
/// When a build fails, or another cluster is given without images.
pub(crate) async fn ensure(cluster: &Cluster) -> Result<Images> {
    if !cluster.own {
        return given();
    }
    let images = build().await?;
    for image in [&images.operator, &images.server] {
        if let Some(archive) = &image.archive {
            cluster.load(archive).await?;
        }
    }
    Ok(images)
}

fn given() -> Result<Images> {
    match (env::var(OPERATOR_IMAGE), env::var(SERVER_IMAGE)) {
        (Ok(operator), Ok(server)) => Ok(Images {
            operator: Image::given(operator),
            server: Image::given(server),
        }),
        _ => bail!(
            "with {} set, {OPERATOR_IMAGE} and {SERVER_IMAGE} must name images that this cluster \
             can pull: `just images` writes them to target/images/*.tar; push them to a registry \
             of yours",
            cluster::KUBECONFIG
        ),
    }
}

/// Compiles the release binaries and makes both images of them, as archives in `target/images`.
/// What has not changed is not made again.
///
/// # Errors
/// When a build fails.
pub(crate) async fn build() -> Result<Images> {
    tool::step("compiling the release binaries");
    compile().await?;
    let folder = checkout::root()?.join("target/images");
    let lock = tool::lock(folder.join("lock")).await?;
    let builder = Builder { folder };
    builder.ensure_buildah().await?;
    let base = builder.base().await?;
    let operator = builder.image(&OPERATOR, &base).await?;
    let server = builder.image(&SERVER, &base).await?;
    drop(lock);
    Ok(Images { operator, server })
}

async fn compile() -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = tool::command(cargo)?;
    command.args(["build", "--release"]).args([
        "--package=worldkeeper-operator",
        "--package=gameserver",
        "--bins",
    ]);
    tool::run_visibly(&mut command).await
}

struct Builder {
    folder: PathBuf,
}

impl Builder {
    async fn ensure_buildah(&self) -> Result<()> {
        if tool::on_path("buildah") {
            return Ok(());
        }
        if !tool::on_path("apt-get") {
            bail!("buildah is missing: install it with the system's package manager");
        }
        tool::step("installing buildah");
        apt(&["update", "--quiet"]).await?;
        apt(&["install", "--yes", "--no-install-recommends", "buildah"]).await?;
        Ok(())
    }

    /// The name of the image to build on.
    async fn base(&self) -> Result<String> {
        if let Ok(given) = env::var(BASE_IMAGE) {
            return Ok(given);
        }
        let made = self.folder.join("base.id");
        if made.is_file() && self.has(BASE).await {
            return Ok(BASE.into());
        }
        tool::step("making the base image from Debian packages");
        let packages = fresh_folder(self.folder.join("base-packages"))?;
        if self.download(&packages).await.is_err() {
            apt(&["update", "--quiet"]).await?;
            self.download(&packages).await?;
        }
        let root = fresh_folder(self.folder.join("base-root"))?;
        for package in fs::read_dir(&packages)? {
            let mut unpack = tool::command("dpkg-deb")?;
            unpack.arg("-x").arg(package?.path()).arg(&root);
            tool::run(&mut unpack).await?;
        }
        complete_root(&root)?;
        let dockerfile = self.folder.join("Dockerfile.base");
        fs::write(&dockerfile, "FROM scratch\nCOPY . /\n")?;
        let id = self.bud(BASE, &dockerfile, &root, None).await?;
        fs::write(made, id)?;
        Ok(BASE.into())
    }

    async fn download(&self, folder: &Path) -> Result<()> {
        let mut download = tool::command("apt-get")?;
        download
            .current_dir(folder)
            .args(["-o", "APT::Sandbox::User=root", "download"])
            .args(BASE_PACKAGES);
        tool::run(&mut download).await.map(drop)
    }

    async fn image(&self, recipe: &Recipe, base: &str) -> Result<Image> {
        let name = format!("localhost/{}:dev", recipe.name);
        let archive = self.folder.join(format!("{}.tar", recipe.name));
        let record = self.folder.join(format!("{}.made", recipe.name));
        let dockerfile = checkout::root()?.join(recipe.dockerfile);

        // Copied first: cargo may replace the binaries while they are read.
        let context = fresh_folder(self.folder.join(recipe.name))?;
        let staged = context.join("target/release");
        fs::create_dir_all(&staged)?;
        let mut inputs = vec![dockerfile.clone()];
        for binary in recipe.binaries {
            let built = checkout::target()?.join("release").join(binary);
            fs::copy(&built, staged.join(binary))
                .with_context(|| format!("cannot copy {}", built.display()))?;
            inputs.push(staged.join(binary));
        }
        let inputs = format!("{base}\n{}", self.hashes(&inputs).await?);

        if archive.is_file()
            && let Some(id) = fs::read_to_string(&record)
                .ok()
                .and_then(|made| Some(made.strip_prefix(&inputs)?.trim().to_owned()))
        {
            return Ok(Image {
                name,
                id,
                archive: Some(archive),
            });
        }
        tool::step(format!("making image {name}"));
        let _ = fs::remove_file(&record);
        let _ = fs::remove_file(&archive);
        let id = self.bud(&name, &dockerfile, &context, Some(base)).await?;
        let mut push = self.buildah("push")?;
        push.arg(&name)
            .arg(format!("docker-archive:{}:{name}", archive.display()));
        tool::run(&mut push).await?;
        // What had this name before has none now, and is of no more use.
        let _ = tool::run(self.buildah("rmi")?.arg("--prune")).await;
        fs::write(&record, format!("{inputs}{id}\n"))?;
        Ok(Image {
            name,
            id,
            archive: Some(archive),
        })
    }

    async fn hashes(&self, files: &[PathBuf]) -> Result<String> {
        tool::run(tool::command("sha256sum")?.args(files)).await
    }

    /// Builds an image and returns its id. The same content has the same id.
    async fn bud(
        &self,
        name: &str,
        dockerfile: &Path,
        context: &Path,
        base: Option<&str>,
    ) -> Result<String> {
        let id = self.folder.join("iid");
        let mut bud = self.buildah("bud")?;
        bud.args(["--isolation", "chroot", "--timestamp", "0", "--tag", name])
            .arg("--iidfile")
            .arg(&id)
            .arg("--file")
            .arg(dockerfile);
        match base {
            Some(BASE) => bud.args(["--pull-never", "--build-arg"]),
            _ => bud.args(["--pull", "--build-arg"]),
        };
        bud.arg(format!("BASE={}", base.unwrap_or("scratch")))
            .arg(context);
        tool::run(&mut bud).await?;
        Ok(fs::read_to_string(&id)?.trim().to_owned())
    }

    async fn has(&self, image: &str) -> bool {
        match self.buildah("inspect") {
            Ok(mut inspect) => tool::run(inspect.args(["--type", "image", image]))
                .await
                .is_ok(),
            Err(_) => false,
        }
    }

    /// Images are kept under `target`, apart from the machine's own.
    fn buildah(&self, verb: &str) -> Result<tokio::process::Command> {
        let mut command = tool::command("buildah")?;
        command
            .args(["--storage-driver", "vfs", "--root"])
            .arg(self.folder.join("storage"))
            .arg("--runroot")
            .arg(self.folder.join("storage-run"))
            .arg(verb);
        Ok(command)
    }
}

async fn apt(arguments: &[&str]) -> Result<String> {
    let mut command = tool::command("apt-get")?;
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(arguments);
    tool::run(&mut command).await
}

/// What the packages' own installation scripts would have made.
fn complete_root(root: &Path) -> Result<()> {
    let mut authorities: Vec<PathBuf> =
        fs::read_dir(root.join("usr/share/ca-certificates/mozilla"))?
            .map(|entry| entry.map(|found| found.path()))
            .collect::<std::io::Result<_>>()?;
    authorities.sort();
    let mut bundle = String::new();
    for authority in authorities {
        bundle.push_str(fs::read_to_string(authority)?.trim_end());
        bundle.push('\n');
    }
    let etc = root.join("etc");
    fs::create_dir_all(etc.join("ssl/certs"))?;
    fs::write(etc.join("ssl/certs/ca-certificates.crt"), bundle)?;
    fs::write(
        etc.join("passwd"),
        "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
    )?;
    fs::write(etc.join("group"), "root:x:0:\nnonroot:x:65532:\n")?;
    fs::write(etc.join("nsswitch.conf"), "hosts: files dns\n")?;
    for documentation in ["usr/share/doc", "usr/share/lintian", "usr/share/man"] {
        let folder = root.join(documentation);
        if folder.is_dir() {
            fs::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

fn fresh_folder(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_and_tag_are_told_apart() {
        let check = |name: &str, expect: (&str, &str)| {
            assert_eq!(Image::given(name.into()).repository_and_tag(), expect);
        };
        check("localhost/a:dev", ("localhost/a", "dev"));
        check("host:5000/a", ("host:5000/a", "latest"));
        check("host:5000/a:1", ("host:5000/a", "1"));
        check("a", ("a", "latest"));
    }
}
