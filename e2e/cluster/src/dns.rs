//! One question to the cluster's DNS server, to know that it answers.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::plan::{API_SERVICE, MACHINE};

const QUESTION: &str = "kubernetes.default.svc.cluster.local";
const ID: [u8; 2] = [0x77, 0x6b];

/// Asks for the address of the API server's service.
pub(crate) fn answers() -> Result<(), String> {
    match ask() {
        Ok(Some(address)) if address == API_SERVICE => Ok(()),
        Ok(Some(other)) => Err(format!("{QUESTION} is {other} instead of {API_SERVICE}")),
        Ok(None) => Err(format!("{QUESTION} has no address")),
        Err(failed) => Err(failed.to_string()),
    }
}

fn ask() -> io::Result<Option<Ipv4Addr>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.connect((MACHINE, 53))?;
    socket.send(&query(QUESTION))?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    Ok(last_address(&answer[..length]))
}

/// A question for an A record ([RFC 1035], section 4).
///
/// [RFC 1035]: https://www.rfc-editor.org/rfc/rfc1035
fn query(name: &str) -> Vec<u8> {
    let mut message = Vec::from(ID);
    // A standard query; one question and nothing else.
    message.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or_default());
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// The address in an answer of one A record, which is then its last part.
fn last_address(answer: &[u8]) -> Option<Ipv4Addr> {
    let (id, answers) = (answer.get(..2)?, answer.get(6..8)?);
    let (length, address) = (
        answer.len().checked_sub(6)?,
        answer.last_chunk::<4>().copied()?,
    );
    let is_address = answer.get(length..length + 2)? == [0, 4];
    (id == ID && answers == [0, 1] && is_address).then(|| address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_spelled_in_labels() {
        let asked = query("a.bc");
        assert_eq!(asked[12..], [1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
    }

    #[test]
    fn an_address_is_read_only_from_an_answer_with_one() {
        let mut answer = query(QUESTION);
        answer[7] = 1;
        assert_eq!(last_address(&answer), None);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 198, 19, 0, 1]);
        assert_eq!(last_address(&answer), Some(API_SERVICE));
        answer[0] = 0;
        assert_eq!(last_address(&answer), None, "an answer to somebody else");
        assert_eq!(last_address(&[]), None);
    }
}
