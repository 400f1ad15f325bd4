//! One call of Odoo's external API, in the way that its version takes.

use reqwest::Url;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::sink::SinkError;

use super::http::Http;
use super::memory::{Memory, UserKey};
use super::version::{self, Version};
use super::{json_2, json_rpc};

/// One Odoo database, called as the user whose key it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Database<'a> {
    /// The client that all calls share.
    pub(super) http: &'a Http,
    /// What is known of all instances.
    pub(super) memory: &'a Memory,
    /// Where it answers.
    pub(super) url: &'a Url,
    /// The database's name.
    pub(super) name: &'a str,
    /// The user's login, which JSON-RPC asks for.
    pub(super) login: Option<&'a str>,
    /// The user's key.
    pub(super) key: &'a SecretString,
    /// The company to act in; the user's own where absent.
    pub(super) company_id: Option<i64>,
}

impl Database<'_> {
    /// Which Odoo it is. Asked once in a while, and again after a call that failed as if it were another one.
    pub(super) async fn version(&self) -> Result<Version, SinkError> {
        if let Some(version) = self.memory.versions.get(self.url) {
            return Ok(version);
        }
        let version = version::ask(self.http, self.url).await?;
        self.memory.versions.put(self.url.clone(), version);
        Ok(version)
    }

    /// Calls a method with named arguments. The answer is the method's bare result.
    ///
    /// Neither arguments nor answers are logged: they hold names and amounts.
    #[tracing::instrument(name = "odoo.rpc.call", skip_all, fields(model, method))]
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        model: &str,
        method: &str,
        mut arguments: Value,
    ) -> Result<T, SinkError> {
        if let Some(company_id) = self.company_id {
            arguments["context"]["allowed_company_ids"] = json!([company_id]);
        }
        let version = self.version().await?;
        let result = if version.has_json_2() {
            json_2::call(self, model, method, &arguments).await
        } else {
            json_rpc::call(self, version, model, method, arguments).await
        };
        result.map_err(|failure| {
            if failure.doubts_version {
                self.memory.versions.forget(self.url);
            }
            failure.error.without(self.key)
        })
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

    /// Under what the id of a login's user is kept.
    pub(super) fn user_key(&self, login: &str) -> UserKey {
        (self.url.clone(), self.name.to_owned(), login.to_owned())
    }
}
