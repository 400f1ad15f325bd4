//! Where requests come in: a socket, within the bounds of one process, and how it ends.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use socket2::SockRef;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{Bounds, Gates, operations, service};
use crate::app::App;
use crate::telemetry;

/// How long a connection may rest between two requests.
const KEPT_ALIVE: Duration = Duration::from_secs(5);

/// How long the head of a connection's first request may take to arrive. Of a later one's, the next limit in line is the connection's
/// place among all.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How many connections ask for metrics and probes at once.
const METRICS_CONNECTIONS: usize = 64;

/// How many connections the system holds that were not yet taken in.
const BACKLOG: u32 = 1_024;

/// A socket that is served.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    socket: TcpListener,
    handle: ServerHandle,
    running: JoinHandle<io::Result<()>>,
}

/// How requests are served.
#[derive(Clone, Copy, Debug)]
pub struct Serving {
    /// On so many threads.
    pub workers: usize,
    /// As many at once as these allow.
    pub bounds: Bounds,
    /// How long those that were begun may take once it is to end.
    pub grace: Duration,
}

impl Listening {
    /// Serves requests. Port 0 takes any free port.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn for_requests(address: SocketAddr, serving: Serving, app: &Arc<App>) -> io::Result<Self> {
        let Serving {
            workers,
            bounds,
            grace,
        } = serving;
        let socket = TcpListener::bind(address)?;
        let gates = Arc::new(Gates::new(bounds));
        let connections = usize::try_from(bounds.connections.get()).unwrap_or(usize::MAX);
        let shared = Arc::clone(app);
        let server = HttpServer::new(move || service(Arc::clone(&shared), Arc::clone(&gates)))
            .workers(workers)
            .backlog(BACKLOG)
            .max_connections(connections.div_ceil(workers))
            .keep_alive(KEPT_ALIVE)
            .client_request_timeout(HEAD_WITHIN)
            .shutdown_timeout(grace.as_secs())
            .disable_signals()
            .listen(socket.try_clone()?)?
            .run();
        Self::run(socket, server.handle(), server, &app.runtime)
    }

    /// Serves metrics and probes.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn for_operations(address: SocketAddr, app: &Arc<App>) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        let shared = Arc::clone(app);
        let server = HttpServer::new(move || operations(Arc::clone(&shared)))
            .workers(1)
            .max_connections(METRICS_CONNECTIONS)
            .keep_alive(KEPT_ALIVE)
            .client_request_timeout(HEAD_WITHIN)
            .disable_signals()
            .listen(socket.try_clone()?)?
            .run();
        Self::run(socket, server.handle(), server, &app.runtime)
    }

    fn run(
        socket: TcpListener,
        handle: ServerHandle,
        server: impl Future<Output = io::Result<()>> + Send + 'static,
        runtime: &Handle,
    ) -> io::Result<Self> {
        Ok(Self {
            address: socket.local_addr()?,
            socket,
            handle,
            running: runtime.spawn(server),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more in, and finishes what was begun.
    ///
    /// New connections are refused before the first that is open is told to close: whoever is told so comes back at once, and must not
    /// find a socket that takes a request which nobody reads.
    pub async fn stop(self) {
        telemetry::expect_closed_sockets();
        // Where a system does not know this, the socket closes a moment later.
        let _refused = SockRef::from(&self.socket).shutdown(std::net::Shutdown::Both);
        self.handle.stop(true).await;
        let _ended = self.running.await;
    }
}
