//! What the API server's refusal of a pod means for a world.

use kube::core::Status;
use worldkeeper_crds::server::condition;

/// A refusal, as people should see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Condition type that says so.
    pub condition: &'static str,
    /// One CamelCase word.
    pub reason: &'static str,
    /// The API server's words, and the remedy.
    pub message: String,
}

/// Reads a refusal of a pod. `None` if the answer is no verdict on the pod: then it is an error
/// like any other, to be tried again.
#[must_use]
pub fn classify(status: &Status) -> Option<Refusal> {
    let words = &status.message;
    let refusal = |condition, reason, remedy: &str| {
        Some(Refusal {
            condition,
            reason,
            message: format!("{remedy}; the API server says: {words}"),
        })
    };
    match status.code {
        403 if words.contains("violates PodSecurity") && words.contains("hostPort") => refusal(
            condition::PORTS_FORBIDDEN,
            "PodSecurity",
            "the namespace's Pod Security level forbids host ports: set exposure to Service or None in spec.server.ports, or label the namespace pod-security.kubernetes.io/enforce=privileged",
        ),
        403 if words.contains("violates PodSecurity") => refusal(
            condition::TEMPLATE_INVALID,
            "PodSecurity",
            "the namespace's Pod Security level forbids the pod: correct spec.server.template",
        ),
        403 if words.contains("exceeded quota") => refusal(
            condition::STARTED,
            "QuotaExceeded",
            "the namespace's ResourceQuota is used up: raise it, or lower spec.replicas",
        ),
        403 if words.contains("being terminated") => refusal(
            condition::STARTED,
            "NamespaceTerminating",
            "the namespace is being deleted, so no world can start in it",
        ),
        403 => refusal(
            condition::STARTED,
            "Forbidden",
            "the pod is forbidden: change what forbids it, or spec.server.template",
        ),
        400 | 422 => refusal(
            condition::TEMPLATE_INVALID,
            "Rejected",
            "correct spec.server.template",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_condition() {
        let check = |code, message: &str, expect: Option<(&str, &str)>| {
            let status = Status {
                code,
                message: message.into(),
                ..Status::default()
            };
            let got = classify(&status);
            assert_eq!(
                got.as_ref().map(|r| (r.condition, r.reason)),
                expect,
                "{message}"
            );
            if let Some(got) = got {
                assert!(got.message.contains(message));
            }
        };
        check(
            403,
            r#"pods "a" is forbidden: violates PodSecurity "baseline:latest": hostPort (container "server" uses hostPort 7000)"#,
            Some(("PortsForbidden", "PodSecurity")),
        );
        check(
            403,
            r#"pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#,
            Some(("TemplateInvalid", "PodSecurity")),
        );
        check(
            403,
            "exceeded quota: q, requested: pods=1",
            Some(("Started", "QuotaExceeded")),
        );
        check(
            422,
            "Pod \"a\" is invalid: spec.x: Invalid value",
            Some(("TemplateInvalid", "Rejected")),
        );
        check(
            400,
            "strict decoding error: unknown field \"spec.x\"",
            Some(("TemplateInvalid", "Rejected")),
        );
        check(500, "etcd is away", None);
        check(409, "exists", None);
    }
}
