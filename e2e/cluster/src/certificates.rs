//! Certificates and keys of the cluster, made anew with it.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use crate::error::{Error, Result};
use crate::files;
use crate::kubeconfig;
use crate::paths::State;
use crate::plan::{API_SERVICE, MACHINE, NODES};

/// Who a certificate is for.
struct Subject<'a> {
    /// Of the files that it goes to.
    file: &'a str,
    common_name: &'a str,
    organization: Option<&'a str>,
    /// Names and addresses of a server; none for a client.
    serves: Vec<String>,
}

/// Clients that get a kubeconfig: file, user and group.
const CLIENTS: [(&str, &str, Option<&str>); 6] = [
    ("admin", "kubernetes-admin", Some("system:masters")),
    (
        "kube-controller-manager",
        "system:kube-controller-manager",
        None,
    ),
    ("kube-scheduler", "system:kube-scheduler", None),
    ("kube-proxy", "system:kube-proxy", None),
    ("coredns", "worldkeeper-cluster:dns", None),
    (
        "kwok",
        "worldkeeper-cluster:fake-nodes",
        Some("system:masters"),
    ),
];

struct Authority {
    name: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn create(state: &State, file: &str) -> Result<Self> {
        let name = format!("worldkeeper-cluster {file}");
        let failed = |source| Error::Certificate {
            name: name.clone(),
            source,
        };
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
        ];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, &name);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        files::write(&state.certificate(file), certificate.pem())?;
        files::write(&state.key(file), key.serialize_pem())?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            name,
        })
    }

    fn issue(&self, state: &State, subject: Subject<'_>) -> Result<()> {
        let failed = |source| Error::Certificate {
            name: format!("{} by {}", subject.common_name, self.name),
            source,
        };
        let usage = if subject.serves.is_empty() {
            ExtendedKeyUsagePurpose::ClientAuth
        } else {
            ExtendedKeyUsagePurpose::ServerAuth
        };
        let mut params = CertificateParams::new(subject.serves).map_err(failed)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, subject.common_name);
        if let Some(organization) = subject.organization {
            params
                .distinguished_name
                .push(DnType::OrganizationName, organization);
        }
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        files::write(&state.certificate(subject.file), certificate.pem())?;
        files::write(&state.key(subject.file), key.serialize_pem())
    }
}

/// Makes all of them, and a kubeconfig for every client.
pub(crate) fn create(state: &State) -> Result<()> {
    let cluster = Authority::create(state, "ca")?;
    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    ];
    cluster.issue(
        state,
        Subject {
            file: "kube-apiserver",
            common_name: "kube-apiserver",
            organization: None,
            serves: names
                .into_iter()
                .map(str::to_owned)
                .chain([MACHINE.to_string(), API_SERVICE.to_string()])
                .collect(),
        },
    )?;
    cluster.issue(
        state,
        Subject {
            file: "kubelet-client",
            common_name: "worldkeeper-cluster:kubelet-client",
            organization: None,
            serves: Vec::new(),
        },
    )?;
    for (file, common_name, organization) in CLIENTS {
        cluster.issue(
            state,
            Subject {
                file,
                common_name,
                organization,
                serves: Vec::new(),
            },
        )?;
        kubeconfig::write(state, file)?;
    }
    for node in NODES {
        let name = node.name();
        cluster.issue(
            state,
            Subject {
                file: &name,
                common_name: &format!("system:node:{name}"),
                organization: Some("system:nodes"),
                serves: Vec::new(),
            },
        )?;
        kubeconfig::write(state, &name)?;
        cluster.issue(
            state,
            Subject {
                file: &format!("{name}-server"),
                common_name: &format!("system:node:{name}"),
                organization: Some("system:nodes"),
                serves: vec![name.clone(), node.address().to_string()],
            },
        )?;
    }
    // Whoever the aggregator vouches for must not be confused with clients of
    // the API server, so another authority signs its certificate.
    let front = Authority::create(state, "front-ca")?;
    front.issue(
        state,
        Subject {
            file: "front-client",
            common_name: "front-client",
            organization: None,
            serves: Vec::new(),
        },
    )?;
    create_token_keys(state)
}

/// The keys that sign and verify tokens of service accounts.
fn create_token_keys(state: &State) -> Result<()> {
    let key = KeyPair::generate().map_err(|source| Error::Certificate {
        name: "service accounts".to_owned(),
        source,
    })?;
    files::write(&state.key("service-accounts"), key.serialize_pem())?;
    files::write(&state.certificate("service-accounts"), key.public_key_pem())
}
