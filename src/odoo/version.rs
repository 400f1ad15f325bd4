//! Which Odoo it is, and what depends on that.

use std::fmt::{self, Display, Formatter};

use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use crate::sink::SinkError;

use super::error;
use super::http::{Answer, Http};

/// A release of Odoo: 18 is 18.0 and what came between it and 19.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(pub(super) u32);

impl Version {
    /// The first one that is spoken to.
    const OLDEST: Self = Self(16);

    /// The first one with JSON-2, which is taken for granted where an Odoo does not say what it is.
    const JSON_2: Self = Self(19);

    /// Whether it takes JSON-2; else JSON-RPC is all it has.
    pub(super) const fn has_json_2(self) -> bool {
        self.0 >= Self::JSON_2.0
    }

    /// Whether any user may ask for their rights with `has_access`; else with `check_access_rights`.
    pub(super) const fn has_has_access(self) -> bool {
        self.0 >= 18
    }

    /// What a payment calls the text that people read.
    pub(super) const fn memo_field(self) -> &'static str {
        if self.0 >= 18 { "memo" } else { "ref" }
    }
}

impl Display for Version {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Odoo {}", self.0)
    }
}

/// Asks an Odoo for its version, without a key.
///
/// Every release from 16 to 19 answers the first question; the second is there since 19 and meant to stay. Where both are
/// kept from us, as by a proxy that lets only the API through, the calls themselves will tell.
pub(super) async fn ask(http: &Http, url: &Url) -> Result<Version, SinkError> {
    let at = |path| {
        let mut url = url.clone();
        url.set_path(path);
        url
    };
    let mut answer = http
        .post(at("/web/webclient/version_info"), |request| {
            request.json(&json!({}))
        })
        .await?;
    if answer.status != 200 && !is_busy(&answer) {
        answer = http.get(at("/web/version")).await?;
    }
    if is_busy(&answer) {
        return Err(error::from_answer(&answer).error);
    }
    match read(&answer) {
        Some(version) if version.0 < Version::OLDEST.0 => Err(error::refused(format!(
            "it is {version}: {} or later is needed",
            Version::OLDEST
        ))),
        Some(version) => Ok(version),
        None => Ok(Version::JSON_2),
    }
}

/// Whether it says nothing about what is there.
const fn is_busy(answer: &Answer) -> bool {
    answer.status == 429 || answer.status >= 500
}

/// The two forms in which it is said.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    InEnvelope { result: ServerVersion },
    Bare { version_info: Parts },
}

#[derive(Debug, Deserialize)]
struct ServerVersion {
    server_version_info: Parts,
}

/// `[18, 0, 0, "final", 0, ""]`, or `["saas~18", 2, …]`.
type Parts = Vec<Part>;

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    Number(u32),
    Text(String),
}

fn read(answer: &Answer) -> Option<Version> {
    let said = serde_json::from_slice(&answer.body).ok()?;
    let (Said::InEnvelope {
        result: ServerVersion {
            server_version_info: parts,
        },
    }
    | Said::Bare { version_info: parts }) = said;
    match parts.first()? {
        Part::Number(major) => Some(Version(*major)),
        Part::Text(text) => text.rsplit(['~', '-']).next()?.parse().ok().map(Version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Option<u32> {
        let answer = Answer {
            status: 200,
            body: body.into(),
            retry_after: None,
        };
        read(&answer).map(|version| version.0)
    }

    #[test]
    fn a_version_is_read_as_each_release_says_it() {
        let envelope = |parts: &str| {
            format!(
                r#"{{"jsonrpc": "2.0", "id": null, "result": {{"server_version": "x", "server_version_info": {parts},
                    "server_serie": "x", "protocol_version": 1}}}}"#
            )
        };
        assert_eq!(said(&envelope(r#"[18, 0, 0, "final", 0, ""]"#)), Some(18));
        assert_eq!(said(&envelope(r#"["saas~17", 4, 0, "final", 0, "e"]"#)), Some(17));
        assert_eq!(
            said(r#"{"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}"#),
            Some(19)
        );
        assert_eq!(said("<html>"), None);
        assert_eq!(said(&envelope("[]")), None);
        assert_eq!(
            said(r#"{"jsonrpc": "2.0", "id": null, "error": {"code": 404}}"#),
            None
        );
    }

    #[test]
    fn what_differs_begins_with_the_release_that_changed_it() {
        let differs = |version: u32| {
            let version = Version(version);
            (
                version.has_json_2(),
                version.has_has_access(),
                version.memo_field(),
            )
        };
        assert_eq!(differs(16), (false, false, "ref"));
        assert_eq!(differs(17), (false, false, "ref"));
        assert_eq!(differs(18), (false, true, "memo"));
        assert_eq!(differs(19), (true, true, "memo"));
        assert_eq!(differs(20), (true, true, "memo"));
    }
}
