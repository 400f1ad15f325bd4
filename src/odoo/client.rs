//! One call of Odoo's external API: `POST /json/2/<model>/<method>`.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::sink::SinkError;

use super::error;

/// The most bytes of an answer that are read.
const ANSWER_LEN: usize = 4 * 1024 * 1024;

/// One Odoo database, called as the user whose key it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Database<'a> {
    /// The pooled client that all calls share.
    pub(super) http: &'a reqwest::Client,
    /// How long one call may take, from the first byte sent to the last one read.
    pub(super) timeout: Duration,
    /// Where it answers.
    pub(super) url: &'a Url,
    /// The database's name.
    pub(super) name: &'a str,
    /// The user's key.
    pub(super) key: &'a SecretString,
    /// The company to act in; the user's own where absent.
    pub(super) company_id: Option<i64>,
}

impl Database<'_> {
    /// Calls a method with named arguments. The answer is Odoo's bare result.
    ///
    /// Neither arguments nor answers are logged: they hold names and amounts.
    #[tracing::instrument(name = "odoo.rpc.call", level = "debug", skip_all, fields(model, method))]
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        model: &str,
        method: &str,
        mut arguments: Value,
    ) -> Result<T, SinkError> {
        if let Some(company_id) = self.company_id {
            arguments["context"]["allowed_company_ids"] = json!([company_id]);
        }
        let mut url = self.url.clone();
        url.set_path(&format!("/json/2/{model}/{method}"));
        let response = self
            .http
            .post(url)
            .timeout(self.timeout)
            .header(AUTHORIZATION, format!("bearer {}", self.key.expose_secret()))
            .header("X-Odoo-Database", self.name)
            .json(&arguments)
            .send()
            .await
            .map_err(|cause| error::from_transport(&cause))?;
        let status = response.status().as_u16();
        let body = read(response).await?;
        if status != 200 {
            return Err(error::from_answer(status, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|_| error::unreachable(format!("the answer of {model}/{method} cannot be read")))
    }

    /// The records that fit a domain, with some of their fields.
    pub(super) async fn search<T: DeserializeOwned>(
        &self,
        model: &str,
        domain: Value,
        fields: &[&str],
    ) -> Result<Vec<T>, SinkError> {
        self.call(
            model,
            "search_read",
            json!({ "domain": domain, "fields": fields, "order": "id" }),
        )
        .await
    }
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, SinkError> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|cause| error::from_transport(&cause))?
    {
        if body.len() + chunk.len() > ANSWER_LEN {
            return Err(error::unreachable("the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
