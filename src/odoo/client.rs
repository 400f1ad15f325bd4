//! One call of Odoo's external API: `POST /json/2/<model>/<method>`.

use reqwest::Url;
use reqwest::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::sink::SinkError;

use super::error;
use super::http::Http;

/// One Odoo database, called as the user whose key it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Database<'a> {
    /// The client that all calls share.
    pub(super) http: &'a Http,
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
        let answer = self
            .http
            .post(url, |request| {
                request
                    .header(AUTHORIZATION, format!("bearer {}", self.key.expose_secret()))
                    .header("X-Odoo-Database", self.name)
                    .json(&arguments)
            })
            .await?;
        if answer.status != 200 {
            return Err(error::from_answer(&answer));
        }
        serde_json::from_slice(&answer.body)
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
