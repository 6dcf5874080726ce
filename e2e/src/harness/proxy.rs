//! A way to a world that can be cut, so that players lose their connection without anyone's wish.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on until it is dropped.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    cuts: watch::Sender<u32>,
    accept: JoinHandle<()>,
}

impl Proxy {
    /// A new way to `target`.
    pub(crate) async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (cuts, cut) = watch::channel(0);
        let accept = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, target, cut.clone()));
            }
        });
        Ok(Self {
            address,
            cuts,
            accept,
        })
    }

    /// Ends every connection that is there now.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

async fn pass_on(mut client: TcpStream, target: SocketAddr, mut cut: watch::Receiver<u32>) {
    cut.mark_unchanged();
    let Ok(mut world) = TcpStream::connect(target).await else {
        return;
    };
    tokio::select! {
        // However it ends, both sides see the end of their connection.
        _ = copy_bidirectional(&mut client, &mut world) => {}
        _ = cut.changed() => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_the_connections_that_are_there_and_no_later_one() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = echo.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = socket.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        let proxy = Proxy::start(target).await.unwrap();
        let mut byte = [0];
        for _ in 0..2 {
            let mut socket = TcpStream::connect(proxy.address).await.unwrap();
            socket.write_all(b"x").await.unwrap();
            socket.read_exact(&mut byte).await.unwrap();
            proxy.cut();
            assert!(!matches!(socket.read(&mut byte).await, Ok(1..)));
        }
    }
}
