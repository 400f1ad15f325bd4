//! A pretend Vault with a transit engine: one key, with versions, that binds `associated_data` to what it wraps.
//!
//! Nothing is encrypted here: what it wrapped it remembers.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::server::Server;

/// What a request must carry.
pub const TOKEN: &str = "hvs.pretend";

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Good,
    /// As one that is too old to know `associated_data`.
    Old,
    /// It is sealed, and answers 503.
    Sealed,
}

/// A running pretend Vault; dropping it stops it.
pub struct PretendVault {
    server: Server,
    state: Shared,
}

struct Transit {
    manner: Manner,
    version: u64,
    /// Plaintext and associated data of each ciphertext.
    wrapped: Vec<(String, String)>,
    requests: usize,
}

type Shared = Arc<Mutex<Transit>>;

impl PretendVault {
    /// Starts it on a port of its own.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(Transit {
            manner: Manner::Good,
            version: 1,
            wrapped: Vec::new(),
            requests: 0,
        }));
        let app = Router::new()
            .route("/v1/transit/{verb}/quittance", post(answer))
            .with_state(Arc::clone(&state));
        let server = Server::start(app, 0).await?;
        Ok(Self { server, state })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Rotates its key: the next version wraps from now on.
    pub fn rotate(&self) {
        self.with(|transit| transit.version += 1);
    }

    /// How it behaves from now on.
    pub fn behave(&self, manner: Manner) {
        self.with(|transit| transit.manner = manner);
    }

    /// How many requests came.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.with(|transit| transit.requests)
    }

    fn with<T>(&self, see: impl FnOnce(&mut Transit) -> T) -> T {
        see(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn answer(
    State(state): State<Shared>,
    Path(verb): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut transit = state.lock().unwrap_or_else(PoisonError::into_inner);
    transit.requests += 1;
    let refuse = |status: StatusCode, why: &str| (status, Json(json!({ "errors": [why] }))).into_response();
    if transit.manner == Manner::Sealed {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "Vault is sealed");
    }
    if headers.get("X-Vault-Token").is_none_or(|token| token != TOKEN) {
        return refuse(StatusCode::FORBIDDEN, "permission denied");
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let data = match verb.as_str() {
        "encrypt" => {
            transit.wrapped.push((text("plaintext"), text("associated_data")));
            let number = transit.wrapped.len() - 1;
            json!({ "ciphertext": format!("vault:v{}:{number}", transit.version), "key_version": transit.version })
        }
        "decrypt" => {
            let ciphertext = text("ciphertext");
            let number = ciphertext
                .rsplit(':')
                .next()
                .and_then(|number| number.parse::<usize>().ok());
            match number.and_then(|number| transit.wrapped.get(number)) {
                Some((plaintext, bound))
                    if transit.manner == Manner::Old || *bound == text("associated_data") =>
                {
                    json!({ "plaintext": plaintext })
                }
                _ => return refuse(StatusCode::BAD_REQUEST, "cipher: message authentication failed"),
            }
        }
        _ => return refuse(StatusCode::NOT_FOUND, "no handler for route"),
    };
    Json(json!({ "request_id": "pretend", "lease_duration": 0, "data": data })).into_response()
}
