//! Idempotency keys by Stripe's rules.
//!
//! The first answer is kept once execution began, errors and 500s included. What failed validation, met a
//! concurrent twin or was rate-limited is not kept. The same key with other parameters is refused.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::http::Method;

use super::api::Answer;
use super::form::Params;
use super::service::Service;

/// Every key that was used, with what came of it.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<String, Entry>);

#[derive(Debug)]
struct Entry {
    fingerprint: u64,
    /// Absent while the first request is running.
    answer: Option<Answer>,
}

/// What a key says about a request.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Nobody used it before.
    Fresh,
    /// It was used for the same request, which was answered.
    Answered(Answer),
    /// Its first request is still running.
    InUse,
    /// It was used for another request.
    Mismatch,
}

impl Keys {
    /// Claims a key, unless it is taken.
    pub(crate) fn claim(&mut self, key: &str, fingerprint: u64) -> Standing {
        match self.0.get(key) {
            None => {
                self.0.insert(
                    key.to_owned(),
                    Entry {
                        fingerprint,
                        answer: None,
                    },
                );
                Standing::Fresh
            }
            Some(entry) if entry.fingerprint != fingerprint => Standing::Mismatch,
            Some(Entry { answer: None, .. }) => Standing::InUse,
            Some(Entry {
                answer: Some(answer), ..
            }) => Standing::Answered(answer.clone()),
        }
    }

    /// Keeps the answer of a claimed key.
    pub(crate) fn keep(&mut self, key: &str, answer: Answer) {
        if let Some(entry) = self.0.get_mut(key) {
            entry.answer = Some(answer);
        }
    }

    /// Forgets every answer, as Stripe may after a day. What is still running keeps its key.
    pub(crate) fn forget(&mut self) {
        self.0.retain(|_, entry| entry.answer.is_none());
    }

    /// Frees a key that has no answer.
    fn release(&mut self, key: &str) {
        if self.0.get(key).is_some_and(|entry| entry.answer.is_none()) {
            self.0.remove(key);
        }
    }
}

/// A claimed key; dropping it frees the key again, unless an answer was kept.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) service: Arc<Service>,
    pub(crate) key: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.service.state().keys.release(&self.key);
    }
}

/// Tells requests apart; the order of parameters does not matter.
pub(crate) fn fingerprint(method: &Method, path: &str, params: &Params) -> u64 {
    let mut hasher = DefaultHasher::new();
    (method.as_str(), path, params).hash(&mut hasher);
    hasher.finish()
}
