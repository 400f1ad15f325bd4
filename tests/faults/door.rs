//! The way to Odoo: it can be closed, and it counts who is on it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A port that leads to another one, for clients that send the next request of a connection after the last one's answer.
pub(super) struct Door {
    address: SocketAddr,
    way: Arc<Way>,
}

struct Way {
    to: SocketAddr,
    traffic: Mutex<Traffic>,
    tasks: TaskTracker,
    gone: CancellationToken,
}

/// What was seen at the door.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    is_closed: bool,
    /// When somebody found it closed.
    pub(super) knocks: Vec<Instant>,
    /// When each request came.
    pub(super) requests: Vec<Instant>,
    /// How many requests have no answer yet.
    pub(super) at_once: usize,
    /// How many there were at most.
    pub(super) most_at_once: usize,
}

impl Door {
    /// An open door before an address of the form `http://…`.
    pub(super) async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(Way {
            to: url.trim_start_matches("http://").parse().unwrap(),
            traffic: Mutex::default(),
            tasks: TaskTracker::new(),
            gone: CancellationToken::new(),
        });
        let accepting = Arc::clone(&way);
        way.tasks.spawn(async move {
            let gone = accepting.gone.clone();
            while let Some(Ok((near, _))) = gone.run_until_cancelled(listener.accept()).await {
                let (way, gone) = (Arc::clone(&accepting), gone.clone());
                accepting
                    .tasks
                    .spawn(async move { gone.run_until_cancelled(way.carry(near)).await });
            }
        });
        Self { address, way }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on whoever comes is turned away before anything is read.
    pub(super) fn close(&self) {
        self.way.traffic().is_closed = true;
    }

    pub(super) fn open(&self) {
        self.way.traffic().is_closed = false;
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.way.traffic().clone()
    }

    /// Forgets what was seen so far.
    pub(super) fn forget(&self) {
        let mut traffic = self.way.traffic();
        traffic.knocks.clear();
        traffic.requests.clear();
        traffic.most_at_once = traffic.at_once;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.way.gone.cancel();
    }
}

impl Way {
    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins. `false` where the door is closed.
    fn enter(&self) -> bool {
        let mut traffic = self.traffic();
        if traffic.is_closed {
            traffic.knocks.push(Instant::now());
            return false;
        }
        traffic.requests.push(Instant::now());
        traffic.at_once += 1;
        traffic.most_at_once = traffic.most_at_once.max(traffic.at_once);
        true
    }

    /// One connection: what comes after an answer is the next request.
    async fn carry(&self, mut near: TcpStream) {
        let Ok(mut far) = TcpStream::connect(self.to).await else {
            return;
        };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let mut waits = false;
        loop {
            tokio::select! {
                read = near.read(&mut asked) => {
                    let Ok(count @ 1..) = read else { break };
                    if !waits && !self.enter() {
                        break;
                    }
                    waits = true;
                    if far.write_all(&asked[..count]).await.is_err() {
                        break;
                    }
                }
                read = far.read(&mut answered) => {
                    let Ok(count @ 1..) = read else { break };
                    if waits {
                        waits = false;
                        self.traffic().at_once -= 1;
                    }
                    if near.write_all(&answered[..count]).await.is_err() {
                        break;
                    }
                }
            }
        }
        if waits {
            self.traffic().at_once -= 1;
        }
    }
}
