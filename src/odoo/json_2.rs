//! JSON-2, from Odoo 19 on: `POST /json/2/<model>/<method>` with named arguments.

use reqwest::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::Database;
use super::error::{self, Failure};

/// Calls a method. The answer is Odoo's bare result.
pub(super) async fn call<T: DeserializeOwned>(
    odoo: &Database<'_>,
    model: &str,
    method: &str,
    arguments: &Value,
) -> Result<T, Failure> {
    let mut url = odoo.url.clone();
    url.set_path(&format!("/json/2/{model}/{method}"));
    let answer = odoo
        .http
        .post(url, |request| {
            request
                .header(AUTHORIZATION, format!("bearer {}", odoo.key.expose_secret()))
                .header("X-Odoo-Database", odoo.name)
                .json(arguments)
        })
        .await?;
    if answer.status != 200 {
        return Err(error::from_answer(&answer));
    }
    Ok(serde_json::from_slice(&answer.body).map_err(|_| error::unreadable(model, method))?)
}
