//! Kubeconfigs that carry all they need, so that they can be copied anywhere.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Result;
use crate::files;
use crate::paths::State;
use crate::plan::{API_PORT, MACHINE};

/// Writes that of the client whose certificate has this name.
pub(crate) fn write(state: &State, client: &str) -> Result<()> {
    let encoded = |path: PathBuf| files::read(&path).map(|pem| STANDARD.encode(pem));
    let authority = encoded(state.certificate("ca"))?;
    let certificate = encoded(state.certificate(client))?;
    let key = encoded(state.key(client))?;
    let content = format!(
        "\
apiVersion: v1
kind: Config
current-context: worldkeeper
clusters:
  - name: worldkeeper
    cluster:
      server: https://{MACHINE}:{API_PORT}
      certificate-authority-data: {authority}
contexts:
  - name: worldkeeper
    context:
      cluster: worldkeeper
      user: {client}
users:
  - name: {client}
    user:
      client-certificate-data: {certificate}
      client-key-data: {key}
"
    );
    files::write(&state.kubeconfig(client), content)
}
