//! The API server's audit log: who wrote what, and when.
//!
//! The log is one JSON event a line, written before the request is answered. A [`Mark`] remembers
//! where a scenario began, so that each reads its own part of it only.

use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

use super::judge::{How, Ms, PodDelete};

/// An event, with the fields that are read here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) verb: String,
    #[serde(rename = "requestURI", default)]
    pub(crate) request_uri: String,
    #[serde(default)]
    pub(crate) user: User,
    #[serde(default)]
    pub(crate) object_ref: Option<ObjectRef>,
    #[serde(default)]
    pub(crate) response_status: Option<ResponseStatus>,
    pub(crate) stage: String,
    pub(crate) stage_timestamp: Timestamp,
}

/// Who asked.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct User {
    #[serde(default)]
    pub(crate) username: String,
}

/// What it was about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectRef {
    #[serde(default)]
    pub(crate) resource: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) subresource: String,
}

/// What was answered.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ResponseStatus {
    #[serde(default)]
    pub(crate) code: u16,
}

impl Event {
    /// The request is answered, and was taken.
    pub(crate) fn succeeded(&self) -> bool {
        self.stage == "ResponseComplete" && (200..300).contains(&self.code())
    }

    pub(crate) fn code(&self) -> u16 {
        self.response_status
            .as_ref()
            .map_or(0, |status| status.code)
    }

    /// A request that changes something, tried in earnest.
    pub(crate) fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        ) && !self.request_uri.contains("dryRun=All")
    }

    /// An object was made: by a create, or by an apply of one that was not there.
    pub(crate) fn is_creation(&self) -> bool {
        self.is_write()
            && self.succeeded()
            && match self.verb.as_str() {
                "create" => true,
                "patch" | "update" => self.code() == 201,
                _ => false,
            }
    }

    pub(crate) fn is_about(&self, resource: &str) -> bool {
        self.object_ref
            .as_ref()
            .is_some_and(|about| about.resource == resource)
    }

    /// The end of a pod by whatever request can bring it about.
    pub(crate) fn pod_delete(&self) -> Option<PodDelete> {
        let about = self
            .object_ref
            .as_ref()
            .filter(|about| about.resource == "pods")?;
        if !self.is_write() || self.stage != "ResponseComplete" {
            return None;
        }
        let how = match (self.verb.as_str(), about.subresource.as_str()) {
            ("delete", "") => How::Delete,
            ("deletecollection", "") => How::DeleteCollection,
            ("create", "eviction") => How::Evict,
            _ => return None,
        };
        Some(PodDelete {
            at: Ms(self.stage_timestamp.as_millisecond()),
            user: self.user.username.clone(),
            namespace: about.namespace.clone(),
            pod: Some(about.name.clone()).filter(|name| !name.is_empty()),
            how,
            code: self.code(),
        })
    }
}

/// A place in the log.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    log: PathBuf,
    offset: u64,
}

impl Mark {
    /// The end of the log as it is now.
    pub(crate) fn now(log: &Path) -> Result<Self> {
        let offset = std::fs::metadata(log)
            .with_context(|| format!("cannot read the audit log {}", log.display()))?
            .len();
        Ok(Self {
            log: log.to_owned(),
            offset,
        })
    }

    /// The events since then that `keep` wants, oldest first.
    pub(crate) fn events(&self, mut keep: impl FnMut(&Event) -> bool) -> Result<Vec<Event>> {
        let path = self.log.display();
        let mut file = std::fs::File::open(&self.log)
            .with_context(|| format!("cannot open the audit log {path}"))?;
        // A log that was rotated is shorter than it was: all of the new one is later than the mark.
        let length = file.metadata()?.len();
        let start = if length < self.offset { 0 } else { self.offset };
        file.seek(SeekFrom::Start(start))?;
        let mut events = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            let line = line.with_context(|| format!("cannot read the audit log {path}"))?;
            // The last line may be half written; whatever it tells is not answered yet.
            if let Ok(event) = serde_json::from_slice::<Event>(&line)
                && keep(&event)
            {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Names of the objects of a resource that were created since then in this namespace, each as often
    /// as it was.
    pub(crate) fn creates(&self, resource: &str, namespace: &str) -> Result<Vec<String>> {
        let events = self.events(|event| {
            event.is_creation()
                && event.object_ref.as_ref().is_some_and(|about| {
                    about.resource == resource
                        && about.subresource.is_empty()
                        && about.namespace == namespace
                })
        })?;
        Ok(events
            .into_iter()
            .filter_map(|event| event.object_ref)
            .map(|about| about.name)
            .collect())
    }

    /// The ends of pods since then in namespaces whose name starts with `prefix`.
    pub(crate) fn pod_deletes(&self, prefix: &str) -> Result<Vec<PodDelete>> {
        let events = self.events(|event| {
            event.object_ref.as_ref().is_some_and(|about| {
                about.resource == "pods" && about.namespace.starts_with(prefix)
            })
        })?;
        Ok(events.iter().filter_map(Event::pod_delete).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event(verb: &str, uri: &str, subresource: &str, code: u16) -> Event {
        serde_json::from_value(serde_json::json!({
            "kind": "Event", "level": "Metadata", "stage": "ResponseComplete",
            "requestURI": uri, "verb": verb, "user": {"username": "someone"},
            "objectRef": {"resource": "pods", "namespace": "n", "name": "f-1-1", "subresource": subresource},
            "responseStatus": {"code": code},
            "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
            "stageTimestamp": "2026-01-01T00:00:01.250000Z",
        }))
        .unwrap()
    }

    #[test]
    fn every_way_to_end_a_pod_is_seen() {
        let check = |verb, uri, subresource, expect: Option<How>| {
            let seen = event(verb, uri, subresource, 200)
                .pod_delete()
                .map(|delete| delete.how);
            assert_eq!(seen, expect, "{verb} {uri} {subresource}");
        };
        check(
            "delete",
            "/api/v1/namespaces/n/pods/f-1-1",
            "",
            Some(How::Delete),
        );
        check(
            "create",
            "/api/v1/namespaces/n/pods/f-1-1/eviction",
            "eviction",
            Some(How::Evict),
        );
        check(
            "deletecollection",
            "/api/v1/namespaces/n/pods",
            "",
            Some(How::DeleteCollection),
        );
        check(
            "delete",
            "/api/v1/namespaces/n/pods/f-1-1?dryRun=All",
            "",
            None,
        );
        check("patch", "/api/v1/namespaces/n/pods/f-1-1", "", None);
        check("create", "/api/v1/namespaces/n/pods", "", None);
    }

    #[test]
    fn time_user_and_code_are_kept() {
        let delete = event("delete", "/x", "", 403).pod_delete().unwrap();
        assert_eq!(delete.at, Ms(1_767_225_601_250));
        assert_eq!((delete.user.as_str(), delete.code), ("someone", 403));
        assert_eq!(delete.pod.as_deref(), Some("f-1-1"));
    }

    #[test]
    fn a_mark_sees_only_what_comes_later_and_survives_rotation_and_half_lines() {
        let folder =
            std::env::temp_dir().join(format!("worldkeeper-audit-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let log = folder.join("audit.log");
        let line = |name: &str| {
            serde_json::json!({
                "stage": "ResponseComplete", "verb": "delete", "requestURI": "/",
                "objectRef": {"resource": "pods", "namespace": "n", "name": name},
                "responseStatus": {"code": 200}, "stageTimestamp": "2026-01-01T00:00:01.250000Z",
            })
            .to_string()
                + "\n"
        };
        std::fs::write(&log, line("old") + &line("older")).unwrap();
        let mark = Mark::now(&log).unwrap();
        let mut content = std::fs::read_to_string(&log).unwrap();
        content += &line("new");
        content += r#"{"stage":"Respon"#;
        std::fs::write(&log, &content).unwrap();
        let names = |deletes: Vec<PodDelete>| {
            deletes
                .into_iter()
                .filter_map(|delete| delete.pod)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(mark.pod_deletes("n").unwrap()), ["new"]);
        assert!(mark.pod_deletes("other").unwrap().is_empty());
        std::fs::write(&log, line("rotated")).unwrap();
        assert_eq!(names(mark.pod_deletes("n").unwrap()), ["rotated"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
