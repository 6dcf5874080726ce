//! Where bots may connect to. A load generator must not hit strangers by a typing error.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use thiserror::Error;

/// Why an address is of no use.
#[derive(Debug, Error)]
pub enum AddressError {
    /// The name does not resolve.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing behind the name.
    #[error("{host} has no address")]
    Nothing {
        /// The name.
        host: String,
    },
    /// Not ours.
    #[error(
        "{ip} is neither loopback nor in 198.18.0.0/15 (benchmarks): give --allow-any-address to mean it"
    )]
    NotAllowed {
        /// The address.
        ip: IpAddr,
    },
}

/// Loopback, and the range that RFC 2544 sets aside for benchmarks of networks.
#[must_use]
pub fn is_harmless(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || is_benchmark(ip),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| is_harmless(ip.into()))
        }
    }
}

fn is_benchmark(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [198, 18 | 19, ..])
}

/// Resolves and checks an address. The check is on what the name resolves to, and the bots connect
/// to just that.
///
/// # Errors
/// The name resolves to nothing, or to something that is not allowed.
pub async fn resolve(host: &str, port: u16, allow_any: bool) -> Result<SocketAddr, AddressError> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let found = match host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port),
        Err(_) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|source| AddressError::Resolve {
                host: host.to_owned(),
                source,
            })?
            .next()
            .ok_or_else(|| AddressError::Nothing {
                host: host.to_owned(),
            })?,
    };
    if allow_any || is_harmless(found.ip()) {
        Ok(found)
    } else {
        Err(AddressError::NotAllowed { ip: found.ip() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_harmless() {
        for (ip, harmless) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("198.18.0.1", true),
            ("198.19.255.255", true),
            ("198.17.255.255", false),
            ("198.20.0.0", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("8.8.8.8", false),
            ("::ffff:8.8.8.8", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_harmless(ip.parse().unwrap()), harmless, "{ip}");
        }
    }

    #[tokio::test]
    async fn strangers_need_the_flag() {
        let stranger = "203.0.113.1";
        let error = resolve(stranger, 1, false).await.unwrap_err();
        assert!(matches!(error, AddressError::NotAllowed { .. }), "{error}");
        assert!(resolve(stranger, 1, true).await.is_ok());
        assert!(resolve("[::1]", 1, false).await.is_ok());
    }
}
