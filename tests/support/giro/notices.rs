//! What the company tells of its own accord: its words, its seal, its errands.

use std::fmt::Write;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::support::now;

/// The company's own clock stands still.
pub(super) const NOW_IN_WORDS: &str = "2026-10-01T12:00:00Z";

/// One notice.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) about: String,
    pub(super) body: String,
}

/// How a transfer stands. One that something was given back of is named and not shown.
pub(super) fn of_transfer(number: usize, view: &Value, status: &str) -> Notice {
    let about = view["ref"].as_str().unwrap().to_owned();
    let mut body = json!({
        "notice": format!("GN-{about}-{number}"), "what": format!("transfer.{status}"), "about": about,
        "at": NOW_IN_WORDS, "real": false,
    });
    if view["returns"].as_array().is_some_and(Vec::is_empty) {
        body["transfer"] = view.clone();
    }
    Notice {
        about,
        body: body.to_string(),
    }
}

/// The header `giro-seal`: when, and a seal over the body and then the time.
pub(crate) fn seal(secret: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    mac.update(format!("|{at}").as_bytes());
    let mut header = format!("{at} ");
    for byte in mac.finalize().into_bytes() {
        write!(header, "{byte:02x}").unwrap();
    }
    header
}

/// Brings notices until each is taken.
pub(super) async fn carry(url: String, secret: String, mut told: UnboundedReceiver<Notice>) {
    let client = reqwest::Client::builder().build().unwrap();
    while let Some(notice) = told.recv().await {
        for _ in 0..20 {
            let at = now().unix_timestamp();
            let request = client
                .post(&url)
                .header("giro-seal", seal(&secret, at, notice.body.as_bytes()))
                .body(notice.body.clone());
            if request
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
