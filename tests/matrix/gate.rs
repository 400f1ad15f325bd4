//! A stretch of network that a test can hold still: what is on its way waits, in either direction.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A port that leads to another one.
pub(super) struct Gate {
    address: SocketAddr,
    road: Arc<Road>,
}

struct Road {
    to: SocketAddr,
    tasks: TaskTracker,
    /// Whether bytes pass, there and back.
    there: watch::Sender<bool>,
    back: watch::Sender<bool>,
    /// How many pieces of requests wait.
    waiting: watch::Sender<usize>,
    /// Ends the connections of now.
    ends: Mutex<CancellationToken>,
    closed: CancellationToken,
}

impl Gate {
    pub(super) async fn before(to: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let road = Arc::new(Road {
            to,
            tasks: TaskTracker::new(),
            there: watch::Sender::new(true),
            back: watch::Sender::new(true),
            waiting: watch::Sender::new(0),
            ends: Mutex::default(),
            closed: CancellationToken::new(),
        });
        let accepting = Arc::clone(&road);
        road.tasks.spawn(async move {
            let closed = accepting.closed.clone();
            while let Some(Ok((near, _))) = closed.run_until_cancelled(listener.accept()).await {
                let (road, end) = (Arc::clone(&accepting), accepting.end());
                let _ = near.set_nodelay(true);
                accepting
                    .tasks
                    .spawn(async move { end.run_until_cancelled(road.carry(near, &end)).await });
            }
        });
        Ok(Self { address, road })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn hold_requests(&self) {
        self.road.there.send_replace(false);
    }

    pub(super) fn hold_answers(&self) {
        self.road.back.send_replace(false);
    }

    /// Lets everything pass, also what waited.
    pub(super) fn open(&self) {
        self.road.there.send_replace(true);
        self.road.back.send_replace(true);
    }

    /// Loses what is on its way, and lets pass what comes.
    pub(super) fn break_off(&self) {
        let mut ends = self.road.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.cancel();
        *ends = CancellationToken::new();
        drop(ends);
        self.open();
    }

    /// How many pieces of requests wait.
    pub(super) fn waiting(&self) -> usize {
        *self.road.waiting.borrow()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.road.closed.cancel();
        self.road.end().cancel();
    }
}

impl Road {
    fn end(&self) -> CancellationToken {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One connection. Who sent what waits, and is gone by then, takes back nothing.
    async fn carry(&self, near: TcpStream, end: &CancellationToken) {
        let Ok(far) = TcpStream::connect(self.to).await else {
            return;
        };
        let _ = far.set_nodelay(true);
        let (mut from_near, mut to_near) = near.into_split();
        let (mut from_far, mut to_far) = far.into_split();
        let there = async {
            let mut open = self.there.subscribe();
            let mut late = false;
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = from_near.read(&mut bytes).await {
                late = !*open.borrow();
                self.waiting.send_modify(|waiting| *waiting += usize::from(late));
                let passes = open.wait_for(|open| *open).await.is_ok() && !end.is_cancelled();
                self.waiting.send_modify(|waiting| *waiting -= usize::from(late));
                if !passes || to_far.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
            if late {
                std::future::pending::<()>().await;
            }
        };
        let back = async {
            let mut open = self.back.subscribe();
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = from_far.read(&mut bytes).await {
                if open.wait_for(|open| *open).await.is_err()
                    || end.is_cancelled()
                    || to_near.write_all(&bytes[..count]).await.is_err()
                {
                    return;
                }
            }
        };
        tokio::select! { () = there => {}, () = back => {} }
    }
}
