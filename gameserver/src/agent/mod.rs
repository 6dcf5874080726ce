//! The agent: what the operator, the kubelet and Prometheus talk to. The protocol is
//! [`worldkeeper_crds::agent`]; this is its server's side.

mod gate;
mod http;
mod keys;
mod refusal;
mod replay;
pub mod socket;
mod token;

pub use gate::Gate;
pub use http::{Agent, run};
pub use refusal::Refusal;
