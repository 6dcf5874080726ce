//! What the chart takes, and what it renders to: rights, pod security, policies.
//!
//! Tests that render need helm and are run by `just chart`.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Values files that stand for ways to install; none: the defaults.
const CASES: [Option<&str>; 3] = [
    None,
    Some("ci/one-replica-values.yaml"),
    Some("ci/everything-values.yaml"),
];

/// Kinds of the Kubernetes API whose fields are passed on as they are.
const PASSED_ON: [&str; 5] = [
    "/properties/global",
    "/properties/affinity/properties/nodeAffinity",
    "/properties/affinity/properties/podAffinity",
    "/properties/affinity/properties/podAntiAffinity",
    "/properties/extraEnv/items/properties/valueFrom",
];

fn chart() -> PathBuf {
    root().join("charts/worldkeeper")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn yaml(file: &Path) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn schema() -> Value {
    serde_json::from_slice(&std::fs::read(chart().join("values.schema.json")).unwrap()).unwrap()
}

/// What a `$ref` points at, or the schema itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

#[test]
fn the_schema_takes_no_unknown_key_anywhere() {
    fn check(at: &str, schema: &Value) {
        if schema["type"] == "object" && !PASSED_ON.contains(&at) {
            assert!(
                schema["additionalProperties"] == false
                    || schema["additionalProperties"].is_object(),
                "{at} takes any key"
            );
        }
        let children = [
            ("properties", schema["properties"].as_object()),
            ("definitions", schema["definitions"].as_object()),
        ];
        for (group, children) in children {
            for (name, child) in children.into_iter().flatten() {
                check(&format!("{at}/{group}/{name}"), child);
            }
        }
        if schema["items"].is_object() {
            check(&format!("{at}/items"), &schema["items"]);
        }
    }
    check("", &schema());
}

#[test]
fn every_default_is_in_the_schema_and_every_property_has_a_default() {
    fn check(at: &str, root: &Value, schema: &Value, values: &Value) {
        let schema = resolved(root, schema);
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let known: BTreeSet<_> = properties.keys().filter(|key| *key != "global").collect();
        let given: BTreeSet<_> = values.as_object().unwrap().keys().collect();
        // An empty object stands for a piece of the Kubernetes API.
        if !given.is_empty() && at != "/resources" {
            assert_eq!(known, given, "{at}");
        }
        for key in given {
            check(&format!("{at}/{key}"), root, &properties[key], &values[key]);
        }
    }
    let schema = schema();
    check("", &schema, &schema, &yaml(&chart().join("values.yaml")));
}

#[test]
fn the_crds_of_the_chart_are_those_of_the_repository() {
    for kind in ["gamefleets", "gameservers"] {
        let file = format!("crds/worldkeeper.dev_{kind}.yaml");
        assert_eq!(
            std::fs::read_to_string(chart().join(&file)).unwrap(),
            std::fs::read_to_string(root().join("config").join(&file)).unwrap()
        );
    }
}

fn helm(arguments: &[&str]) -> Result<String, String> {
    let helm = root().join("target/cluster/bin/helm");
    let output = Command::new(if helm.exists() { helm } else { "helm".into() })
        .args(arguments)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn render(case: Option<&str>, set: &[&str]) -> Result<Vec<Value>, String> {
    let chart = chart();
    let mut arguments = vec!["template", "worldkeeper", chart.to_str().unwrap()];
    arguments.extend(["--namespace", "operators"]);
    let file = case.map(|case| chart.join(case));
    if let Some(file) = &file {
        arguments.extend(["--values", file.to_str().unwrap()]);
    }
    for value in set {
        arguments.extend(["--set", value]);
    }
    let rendered = helm(&arguments)?;
    Ok(rendered
        .split("\n---\n")
        .filter(|document| document.lines().any(|line| line.starts_with("kind:")))
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect())
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

fn strings(list: &Value) -> BTreeSet<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap())
        .collect()
}

#[test]
#[ignore = "needs helm: just chart"]
fn rights_are_named_one_by_one() {
    for case in CASES {
        let objects = render(case, &[]).unwrap();
        for kind in ["ClusterRole", "Role"] {
            let role = of_kind(&objects, kind).next().unwrap();
            for rule in role["rules"].as_array().unwrap() {
                for part in ["apiGroups", "resources", "verbs"] {
                    let named = strings(&rule[part]);
                    assert!(!named.is_empty() && !named.iter().any(|name| name.contains('*')));
                }
                let resources = strings(&rule["resources"]);
                assert!(
                    !resources.contains("secrets")
                        || kind == "Role"
                            && (strings(&rule["verbs"]) == BTreeSet::from(["create"])
                                || !strings(&rule["resourceNames"]).is_empty()),
                    "secrets other than the operator's own: {rule}"
                );
                for forbidden in [
                    "pods/exec",
                    "serviceaccounts/token",
                    "clusterroles",
                    "roles",
                ] {
                    assert!(!resources.contains(forbidden), "{rule}");
                }
                for forbidden in ["bind", "escalate", "impersonate", "deletecollection"] {
                    assert!(!strings(&rule["verbs"]).contains(forbidden), "{rule}");
                }
            }
        }
    }
}

#[test]
#[ignore = "needs helm: just chart"]
fn pods_are_as_the_restricted_standard_wants_them() {
    for case in CASES {
        let objects = render(case, &[]).unwrap();
        let pods: Vec<_> = of_kind(&objects, "Deployment")
            .chain(of_kind(&objects, "Job"))
            .map(|owner| &owner["spec"]["template"]["spec"])
            .collect();
        assert!(!pods.is_empty());
        for pod in pods {
            for denied in ["hostNetwork", "hostPID", "hostIPC", "volumes"] {
                assert!(pod[denied].is_null(), "{denied}");
            }
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            for container in pod["containers"].as_array().unwrap() {
                let context = &container["securityContext"];
                assert_eq!(context["runAsNonRoot"], true);
                assert_eq!(context["allowPrivilegeEscalation"], false);
                assert_eq!(context["readOnlyRootFilesystem"], true);
                assert_eq!(strings(&context["capabilities"]["drop"]), ["ALL"].into());
                assert!(context["capabilities"]["add"].is_null());
                assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
                assert!(container["resources"]["limits"]["memory"].is_string());
                for port in container["ports"].as_array().into_iter().flatten() {
                    assert!(port["hostPort"].is_null());
                }
            }
        }
    }
}

#[test]
#[ignore = "needs helm: just chart"]
fn every_policy_fails_closed_is_bound_and_looks_at_our_objects_only() {
    for case in CASES {
        let objects = render(case, &[]).unwrap();
        let policies: Vec<_> = of_kind(&objects, "ValidatingAdmissionPolicy").collect();
        let expected = match case {
            Some("ci/one-replica-values.yaml") => 0,
            _ => 6,
        };
        assert_eq!(policies.len(), expected, "{case:?}");
        for policy in policies {
            let name = &policy["metadata"]["name"];
            let spec = &policy["spec"];
            assert_eq!(spec["failurePolicy"], "Fail", "{name}");
            let constraints = &spec["matchConstraints"];
            assert!(
                constraints["objectSelector"].is_object()
                    || spec["matchConditions"]
                        .as_array()
                        .is_some_and(|conditions| !conditions.is_empty()),
                "{name} looks at every object"
            );
            for rule in constraints["resourceRules"].as_array().unwrap() {
                for resource in strings(&rule["resources"]) {
                    assert!(
                        !resource.contains(['*', '/']),
                        "{name} holds for {resource}"
                    );
                }
                assert!(!strings(&rule["operations"]).contains("*"), "{name}");
            }
            for validation in spec["validations"].as_array().unwrap() {
                let message = ["message", "messageExpression"]
                    .into_iter()
                    .find_map(|key| validation[key].as_str())
                    .unwrap();
                assert!(
                    message.contains("worldkeeper.dev/break-glass=REASON"),
                    "{name}"
                );
            }
            let bindings: Vec<_> = of_kind(&objects, "ValidatingAdmissionPolicyBinding")
                .filter(|binding| binding["spec"]["policyName"] == *name)
                .collect();
            assert_eq!(bindings.len(), 1, "{name}");
            assert_eq!(
                strings(&bindings[0]["spec"]["validationActions"]),
                ["Deny"].into()
            );
            assert!(bindings[0]["spec"]["matchResources"].is_null(), "{name}");
        }
    }
}

#[test]
#[ignore = "needs helm: just chart"]
fn the_operator_trusts_itself_and_whom_it_is_told_to() {
    let check = |case, users: &[&str]| {
        let objects = render(case, &[]).unwrap();
        let update = of_kind(&objects, "ValidatingAdmissionPolicy")
            .find(|policy| policy["metadata"]["name"] == "worldkeeper-update-pods")
            .unwrap();
        assert_eq!(
            update["spec"]["matchConditions"][0]["expression"],
            format!(
                "!(request.userInfo.username in {})",
                serde_json::to_string(users).unwrap()
            )
        );
    };
    check(None, &["system:serviceaccount:operators:worldkeeper"]);
    check(
        Some("ci/everything-values.yaml"),
        &[
            "system:serviceaccount:operators:keeper",
            "developer",
            "it's me",
        ],
    );
}

#[test]
#[ignore = "needs helm: just chart"]
fn mistakes_in_values_are_refused_with_their_name() {
    let check = |set: &str, named: &str| {
        let refused = render(None, &[set]).expect_err(set);
        assert!(refused.contains(named), "{set}: {refused}");
    };
    check("replicas=0", "replicas");
    check("replicas=two", "replicas");
    check("lease.durationSeconds=0", "durationSeconds");
    check("lease.duration=15", "duration");
    check("agentKeys.rotationSeconds=-1", "rotationSeconds");
    check("agentKeys.overlapSeconds=86400", "rotationSeconds");
    check("agentKeys.secretName=Keys", "secretName");
    check("log.format=xml", "format");
    check("httpPort=80", "httpPort");
    check("image.pullPolicy=Sometimes", "pullPolicy");
    check("image.tag=a b", "tag");
    check("policy.enabled=false", "policy");
    check("policies.trustedUsers=me", "trustedUsers");
    check("concurrency=0", "concurrency");
    check("serviceMonitor.interval=5", "interval");
    check("nodeLossSeconds=-1", "nodeLossSeconds");
    check("unknown=1", "unknown");
}
