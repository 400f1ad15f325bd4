//! A way for containers to a server on this machine's loopback, where the pretend services listen.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::image::engine;

/// An open door; dropping it closes it.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    open: AbortHandle,
}

impl Door {
    /// Opens one to `inside`, at the address that this machine has in a network of containers: nobody else reaches that.
    #[expect(clippy::disallowed_methods, reason = "ended with the door")]
    pub async fn open(network: &str, inside: SocketAddr) -> Result<Self> {
        let found = engine().await?.inspect_network(network, None).await;
        let found = found.context("asking where containers reach this machine")?;
        let ranges = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let gateway = ranges.into_iter().find_map(|each| each.gateway);
        let gateway = gateway.context("the network has no gateway")?;
        let listener = TcpListener::bind((&*gateway, 0)).await?;
        let address = listener.local_addr()?;
        let open = tokio::spawn(let_in(listener, inside)).abort_handle();
        Ok(Self { address, open })
    }

    /// The address, as a container asks it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.open.abort();
    }
}

async fn let_in(listener: TcpListener, inside: SocketAddr) {
    let mut guests = JoinSet::new();
    while let Ok((mut outer, _)) = listener.accept().await {
        guests.spawn(async move {
            // How a connection ends is a matter of those at its ends.
            if let Ok(mut inner) = TcpStream::connect(inside).await {
                let _ = copy_bidirectional(&mut outer, &mut inner).await;
            }
        });
        while guests.try_join_next().is_some() {}
    }
    guests.join_all().await;
}
