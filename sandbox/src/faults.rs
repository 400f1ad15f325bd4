//! Faults on demand: what a network and a busy service do to their callers, chosen by a test.
//!
//! A pretend service asks [`Faults::take`] once per request and hands the fault, its effect and its way of writing
//! a refusal to [`Faults::answer`]. "Before" and "after" mean the effect: after a fault of the second kind the
//! money has moved, and the caller does not know.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use futures::future::pending;
use tokio_util::task::TaskTracker;

use crate::server;
use crate::strange::{self, Extent};

/// One way in which a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The effect and the answer come this much later, whether or not the caller still listens.
    Delay(Duration),
    /// No effect and no answer, until the caller gives up.
    TimeoutBefore,
    /// The effect, but no answer, until the caller gives up.
    TimeoutAfter,
    /// The connection is reset; nothing happened.
    ResetBefore,
    /// The connection is reset, though the effect happened.
    ResetAfter,
    /// The effect happened; the connection ends half-way through the answer's body.
    CutAfter,
    /// 429, with `Retry-After` in seconds where given; nothing happened.
    TooManyRequests {
        /// What the `Retry-After` header says.
        retry_after_secs: Option<u32>,
    },
    /// 409 as of another request that holds the key or the lock; nothing happened.
    Conflict,
    /// 500 before the effect.
    ErrorBefore,
    /// 500 although the effect happened.
    ErrorAfter,
    /// 503 as of a service being restarted; nothing happened.
    Unavailable,
    /// The effect happened; status 200 with a body that is not what was promised.
    Garbage,
    /// Nothing happened; this status with these bytes, whoever wrote them.
    Says {
        /// The status.
        status: u16,
        /// The body.
        body: &'static str,
    },
    /// The effect happened; status 200 with an object as of a later API version: unknown words in enum fields beside
    /// `status`, unknown fields, and optional fields gone. An error stays as it is.
    Strange,
    /// As [`Strange`](Self::Strange), where `status` itself is a word that nobody knows.
    StrangeStatus,
}

/// What a service must put in its own words: the status, and a header that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: StatusCode,
    /// The `Retry-After` header in seconds.
    pub retry_after_secs: Option<u32>,
}

/// Which requests a fault waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    method: Option<Method>,
    pattern: String,
}

impl Matcher {
    /// Requests of one method whose path fits `pattern`: segments must be equal, `*` stands for any one segment,
    /// and `**` at the end for any rest. `/v1/payment_intents/*/capture`, `/v1/**`.
    ///
    /// A method that is not one never matches.
    #[must_use]
    pub fn method_path(method: &str, pattern: &str) -> Self {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::TRACE);
        Self {
            method: Some(method),
            pattern: pattern.to_owned(),
        }
    }

    /// Requests of any method whose path fits `pattern`.
    #[must_use]
    pub fn path(pattern: &str) -> Self {
        Self {
            method: None,
            pattern: pattern.to_owned(),
        }
    }

    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::path("/**")
    }

    fn fits(&self, method: &Method, path: &str) -> bool {
        if self.method.as_ref().is_some_and(|wanted| wanted != method) {
            return false;
        }
        let mut segments = path.split('/');
        for wanted in self.pattern.split('/') {
            match (wanted, segments.next()) {
                ("**", Some(_)) => return true,
                ("*", Some(segment)) if !segment.is_empty() => {}
                (wanted, Some(segment)) if wanted == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

/// A fault that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Method of the request that it hit.
    pub method: Method,
    /// Path of the request that it hit.
    pub path: String,
    /// What was done to it.
    pub fault: Fault,
}

/// The faults that a service still has to commit; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Plan {
    armed: Vec<Armed>,
    fired: Vec<Fired>,
}

#[derive(Debug)]
struct Armed {
    matcher: Matcher,
    fault: Fault,
    /// How many more requests it hits; without end where absent.
    left: Option<u32>,
}

impl Faults {
    /// Hits the next request that fits.
    pub fn next(&self, matcher: Matcher, fault: Fault) {
        self.times(1, matcher, fault);
    }

    /// Hits the next `count` requests that fit.
    pub fn times(&self, count: u32, matcher: Matcher, fault: Fault) {
        self.plan().armed.push(Armed {
            matcher,
            fault,
            left: Some(count),
        });
    }

    /// Hits every request that fits, until [`clear`](Self::clear).
    pub fn always(&self, matcher: Matcher, fault: Fault) {
        self.plan().armed.push(Armed {
            matcher,
            fault,
            left: None,
        });
    }

    /// Forgets the faults that were not carried out yet.
    pub fn clear(&self) {
        self.plan().armed.clear();
    }

    /// What was carried out, in order.
    #[must_use]
    pub fn fired(&self) -> Vec<Fired> {
        self.plan().fired.clone()
    }

    /// Waits until all that came late has happened.
    pub async fn caught_up(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Claims the fault for one request: the oldest that fits.
    #[must_use]
    pub fn take(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut plan = self.plan();
        let index = plan
            .armed
            .iter()
            .position(|armed| armed.left != Some(0) && armed.matcher.fits(method, path))?;
        let armed = plan.armed.get_mut(index)?;
        let fault = armed.fault;
        if let Some(left) = &mut armed.left {
            *left -= 1;
            if *left == 0 {
                plan.armed.remove(index);
            }
        }
        plan.fired.push(Fired {
            method: method.clone(),
            path: path.to_owned(),
            fault,
        });
        Some(fault)
    }

    /// Answers one request under a fault. `effect` carries the request out and writes its proper answer; `refuse`
    /// writes an error as the service would.
    pub async fn answer<E>(
        &self,
        fault: Option<Fault>,
        effect: E,
        refuse: impl FnOnce(Refusal) -> Response,
    ) -> Response
    where
        E: Future<Output = Response> + Send + 'static,
    {
        let status = |status| Refusal {
            status,
            retry_after_secs: None,
        };
        match fault {
            None => effect.await,
            Some(Fault::Delay(delay)) => {
                let late = self.tasks.spawn(async move {
                    tokio::time::sleep(delay).await;
                    effect.await
                });
                late.await.unwrap_or_else(|_| server::reset())
            }
            Some(Fault::TimeoutBefore) => pending().await,
            Some(Fault::TimeoutAfter) => {
                effect.await;
                pending().await
            }
            Some(Fault::ResetBefore) => server::reset(),
            Some(Fault::ResetAfter) => {
                effect.await;
                server::reset()
            }
            Some(Fault::CutAfter) => server::cut(effect.await).await,
            Some(Fault::TooManyRequests { retry_after_secs }) => refuse(Refusal {
                status: StatusCode::TOO_MANY_REQUESTS,
                retry_after_secs,
            }),
            Some(Fault::Conflict) => refuse(status(StatusCode::CONFLICT)),
            Some(Fault::ErrorBefore) => refuse(status(StatusCode::INTERNAL_SERVER_ERROR)),
            Some(Fault::ErrorAfter) => {
                effect.await;
                refuse(status(StatusCode::INTERNAL_SERVER_ERROR))
            }
            Some(Fault::Unavailable) => refuse(status(StatusCode::SERVICE_UNAVAILABLE)),
            Some(Fault::Garbage) => {
                effect.await;
                server::json(StatusCode::OK, "{\"object\": <html>")
            }
            Some(Fault::Says { status, body }) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                server::json(status, body)
            }
            Some(Fault::Strange) => strange::answer(effect.await, Extent::BesideStatus).await,
            Some(Fault::StrangeStatus) => strange::answer(effect.await, Extent::StatusToo).await,
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_segment_and_two_for_any_rest() {
        let capture = Matcher::method_path("POST", "/v1/payment_intents/*/capture");
        assert!(capture.fits(&Method::POST, "/v1/payment_intents/pi_1/capture"));
        assert!(!capture.fits(&Method::GET, "/v1/payment_intents/pi_1/capture"));
        assert!(!capture.fits(&Method::POST, "/v1/payment_intents/pi_1"));
        assert!(!capture.fits(&Method::POST, "/v1/payment_intents//capture"));
        let create = Matcher::method_path("POST", "/v1/payment_intents");
        assert!(create.fits(&Method::POST, "/v1/payment_intents"));
        assert!(!create.fits(&Method::POST, "/v1/payment_intents/pi_1/capture"));
        assert!(Matcher::path("/v1/**").fits(&Method::GET, "/v1/refunds/re_1"));
        assert!(Matcher::any().fits(&Method::GET, "/v1/balance"));
    }

    #[test]
    fn a_fault_is_spent_after_its_count_and_remembered() {
        let faults = Faults::default();
        faults.times(2, Matcher::any(), Fault::ResetBefore);
        let hits = (0..3)
            .filter_map(|_| faults.take(&Method::GET, "/v1/balance"))
            .count();
        assert_eq!(hits, 2);
        assert_eq!(faults.fired().len(), 2);
    }
}
