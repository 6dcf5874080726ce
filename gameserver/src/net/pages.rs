//! What the players' port serves to those who ask for pages: the browser client, and what clients need
//! to know of the world before they join it. All of it is built into the program or made from the seed;
//! nothing is read from disk, and nothing that a request says reaches further than its path.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use axum::body::{Body, Bytes};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use worldkeeper_sim::Terrain;
use worldkeeper_sim::content::Content;

/// Scripts, styles and connections from here alone, and nothing inline: text from other players could
/// not become a script even if the page were to mistake it for markup. A WebSocket of the same host and
/// port counts as `'self'`.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Asked for again each time and answered from the tag: the next server may have another.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");
/// The hash in the path stands for all of it.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const CSS: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What pages are made of: the same for every request.
#[derive(Debug)]
pub struct Site {
    /// The world's ground.
    pub terrain: Arc<Terrain>,
    /// What its genre is made of.
    pub content: &'static Content,
}

/// One file of the client.
struct File {
    /// Under `/client/`.
    name: &'static str,
    body: &'static str,
    etag: HeaderValue,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../client/", $name)))),*]
    };
}

/// The client, file for file; a test compares it with the folder.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let files = files![
        "index.html",
        "style.css",
        "backoff.js",
        "bytes.js",
        "clock.js",
        "content.js",
        "dom.js",
        "game.js",
        "input.js",
        "main.js",
        "movement.js",
        "net.js",
        "own.js",
        "panels/chat.js",
        "panels/crafting.js",
        "panels/inventory.js",
        "panels/menu.js",
        "panels/side.js",
        "panels/skills.js",
        "panels/status.js",
        "panels/toasts.js",
        "panels/trade.js",
        "panels/vitals.js",
        "path.js",
        "pilot.js",
        "prediction.js",
        "protocol.js",
        "render/bodies.js",
        "render/camera.js",
        "render/effects.js",
        "render/figure.js",
        "render/glyphs.js",
        "render/ground.js",
        "render/labels.js",
        "render/lights.js",
        "render/map.js",
        "render/mood.js",
        "render/noise.js",
        "render/scene.js",
        "render/weather.js",
        "session.js",
        "terrain.js",
        "texts.js",
        "view.js",
    ];
    files
        .into_iter()
        .map(|(name, body)| File {
            name,
            body,
            etag: etag(body),
        })
        .collect()
});

/// Tells two versions of a file apart. Nobody gains from forging one: the files are public.
fn etag(body: &str) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    quoted(hasher.finish())
}

/// Sixteen hexadecimal digits in quotes, as hashes are written in messages.
fn quoted(hash: u64) -> HeaderValue {
    let mut tag = String::with_capacity(18);
    // Writing to a string does not fail.
    let _ = write!(tag, "\"{hash:016x}\"");
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

fn type_of(name: &str) -> HeaderValue {
    match name.rsplit_once('.') {
        Some((_, "html")) => HTML,
        Some((_, "css")) => CSS,
        _ => SCRIPT,
    }
}

/// What there is to send, before the request's method and tags are looked at.
struct Page {
    kind: HeaderValue,
    caching: HeaderValue,
    etag: Option<HeaderValue>,
    body: Bytes,
}

/// Answers a request for anything but the WebSocket.
pub(super) fn respond<B>(site: &Site, request: &Request<B>) -> Response {
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        let mut response = words(
            StatusCode::METHOD_NOT_ALLOWED,
            "pages are only read: GET or HEAD\n",
        );
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    let mut response = match find(site, request.uri().path()) {
        None => words(StatusCode::NOT_FOUND, "there is no such page here\n"),
        Some(page) => send(page, request.headers()),
    };
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

fn find(site: &Site, path: &str) -> Option<Page> {
    if path == "/" {
        return file("index.html");
    }
    if let Some(name) = path.strip_prefix("/client/") {
        return file(name);
    }
    if path == "/v1/content" {
        return Some(Page {
            kind: JSON,
            caching: REVALIDATED,
            etag: Some(quoted(site.content.hash())),
            body: Bytes::from_static(site.content.to_json().as_bytes()),
        });
    }
    chunk(&site.terrain, path.strip_prefix("/v1/terrain/")?)
}

fn file(name: &str) -> Option<Page> {
    let file = FILES.iter().find(|file| file.name == name)?;
    Some(Page {
        kind: type_of(file.name),
        caching: REVALIDATED,
        etag: Some(file.etag.clone()),
        body: Bytes::from_static(file.body.as_bytes()),
    })
}

/// `HASH/CX/CY`: each chunk has one spelling.
fn chunk(terrain: &Terrain, path: &str) -> Option<Page> {
    let mut parts = path.split('/');
    let (hash, cx, cy) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || hash != format!("{:016x}", terrain.hash()) {
        return None;
    }
    let tiles = terrain.chunk(number(cx)?, number(cy)?)?;
    Some(Page {
        kind: BYTES,
        caching: FOREVER,
        etag: None,
        body: Bytes::copy_from_slice(&tiles),
    })
}

/// Decimal digits, no more than needed.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (text.starts_with('0') && text != "0") {
        return None;
    }
    text.parse().ok()
}

fn send(page: Page, asked: &HeaderMap) -> Response {
    let known = page.etag.as_ref().is_some_and(|etag| knows(asked, etag));
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        with_body(page.body, page.kind)
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, page.caching);
    if let Some(etag) = page.etag {
        headers.insert(ETAG, etag);
    }
    guard(headers);
    response
}

/// RFC 9110, section 13.1.2: the weak comparison.
fn knows(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag)
}

fn words(status: StatusCode, text: &'static str) -> Response {
    let mut response = with_body(Bytes::from_static(text.as_bytes()), TEXT);
    *response.status_mut() = status;
    guard(response.headers_mut());
    response
}

fn with_body(body: Bytes, kind: HeaderValue) -> Response {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CONTENT_LENGTH, length);
    response
}

/// What every answer carries, so that no browser makes more of it than it is.
fn guard(headers: &mut HeaderMap) {
    const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        SAME_ORIGIN,
    );
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        SAME_ORIGIN,
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;
    use std::path::Path;

    use axum::body::to_bytes;
    use worldkeeper_sim::{Genre, Params, TickRate};

    use super::*;

    fn site() -> Site {
        let params = Params::new(Genre::Horror, 1024, TickRate::new(20).unwrap()).unwrap();
        Site {
            terrain: Arc::new(Terrain::new(&params, 7)),
            content: Content::of(Genre::Horror),
        }
    }

    fn ask(site: &Site, method: Method, path: &str, tag: Option<&str>) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        respond(site, &request.body(()).unwrap())
    }

    fn get(site: &Site, path: &str) -> Response {
        ask(site, Method::GET, path, None)
    }

    async fn body(response: Response) -> Vec<u8> {
        to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap()
            .into()
    }

    fn header(response: &Response, name: HeaderName) -> &str {
        response.headers()[name].to_str().unwrap()
    }

    /// Names of the client's files, under `folder`, as FILES has them.
    fn files(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_client_is_served() {
        let mut found = BTreeSet::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("client");
        files(&folder, "", &mut found);
        found.retain(|name| {
            let inside = ["tests/", "vectors/"];
            !inside.iter().any(|folder| name.starts_with(folder)) && !name.ends_with(".md")
        });
        let served: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(served, found);
    }

    /// The policy forbids both; a browser would show a page that does nothing.
    #[test]
    fn nothing_is_inline() {
        for file in FILES.iter() {
            for inline in [
                "<script>",
                "<style",
                " style=\"",
                "javascript:",
                ".innerHTML",
                ".outerHTML",
                "insertAdjacentHTML",
            ] {
                assert!(!file.body.contains(inline), "{}: {inline}", file.name);
            }
        }
    }

    #[tokio::test]
    async fn pages_and_their_types() {
        let site = site();
        for (path, kind) in [
            ("/", "text/html; charset=utf-8"),
            ("/client/style.css", "text/css; charset=utf-8"),
            ("/client/render/scene.js", "text/javascript; charset=utf-8"),
            ("/v1/content", "application/json"),
        ] {
            let response = get(&site, path);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&response, CONTENT_TYPE), kind, "{path}");
            assert_eq!(header(&response, CACHE_CONTROL), "no-cache", "{path}");
            assert!(!body(response).await.is_empty(), "{path}");
        }
    }

    #[tokio::test]
    async fn content_is_tagged_with_its_hash() {
        let site = site();
        let response = get(&site, "/v1/content");
        let tag = format!("\"{:016x}\"", site.content.hash());
        assert_eq!(header(&response, ETAG), tag);
        assert_eq!(body(response).await, site.content.to_json().as_bytes());
    }

    #[tokio::test]
    async fn known_pages_are_not_sent_again() {
        let site = site();
        for path in ["/", "/client/main.js", "/v1/content"] {
            let tag = header(&get(&site, path), ETAG).to_owned();
            let again = |tag: &str| ask(&site, Method::GET, path, Some(tag));
            for known in [&*tag, &format!("W/{tag}"), &format!("\"x\", {tag}"), "*"] {
                let response = again(known);
                assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
                assert_eq!(header(&response, ETAG), tag);
                assert!(body(response).await.is_empty());
            }
            for other in ["\"x\"", "", &tag[1..tag.len() - 1]] {
                assert_eq!(again(other).status(), StatusCode::OK, "{other}");
            }
        }
    }

    #[tokio::test]
    async fn chunks_of_the_ground() {
        let site = site();
        let hash = format!("{:016x}", site.terrain.hash());
        let path = |cx: &str, cy: &str| format!("/v1/terrain/{hash}/{cx}/{cy}");
        let response = get(&site, &path("3", "0"));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            header(&response, CACHE_CONTROL),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(body(response).await, site.terrain.chunk(3, 0).unwrap());
        for other in [
            path("8", "0"),
            path("0", "4294967296"),
            path("-1", "0"),
            path("+1", "0"),
            path("01", "0"),
            path("", "0"),
            path("0", "0/"),
            path("0", "0/0"),
            "/v1/terrain/".to_owned(),
            "/v1/terrain/0123456789abcdef/0/0".to_owned(),
            format!("/v1/terrain/{}/0/0", hash.to_uppercase()),
        ] {
            // A hash without letters has one case.
            if other != path("0", "0") {
                assert_eq!(
                    get(&site, &other).status(),
                    StatusCode::NOT_FOUND,
                    "{other}"
                );
            }
        }
    }

    #[test]
    fn there_is_nothing_else() {
        let site = site();
        for path in [
            "/index.html",
            "/client/",
            "/client",
            "/client/../Cargo.toml",
            "/client/tests/protocol.test.js",
            "/client//main.js",
            "/metrics",
            "/health",
            "/v1/content/",
        ] {
            assert_eq!(get(&site, path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn pages_are_only_read() {
        let site = site();
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let response = ask(&site, method, "/", None);
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(header(&response, ALLOW), "GET, HEAD");
        }
        let whole = get(&site, "/");
        let head = ask(&site, Method::HEAD, "/", None);
        assert_eq!(head.headers(), whole.headers());
        assert!(body(head).await.is_empty());
    }

    #[test]
    fn every_answer_is_guarded() {
        let site = site();
        for response in [
            get(&site, "/"),
            get(&site, "/nowhere"),
            ask(&site, Method::POST, "/", None),
            ask(&site, Method::GET, "/", Some("*")),
        ] {
            let policy = header(&response, CONTENT_SECURITY_POLICY);
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
            assert!(!policy.contains("unsafe"));
            assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert_eq!(header(&response, REFERRER_POLICY), "no-referrer");
        }
    }
}
