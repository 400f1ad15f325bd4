//! A client of JSON-2 that is not Quittance's own.

use quittance_sandbox::odoo::{Options, PretendOdoo};
use serde_json::{Value, json};

/// A pretend Odoo and a way to call it.
pub(super) struct Odoo {
    pub(super) pretend: PretendOdoo,
    http: reqwest::Client,
}

impl Odoo {
    pub(super) async fn start(options: Options) -> Self {
        let pretend = PretendOdoo::start(options).await.unwrap();
        Self {
            pretend,
            http: reqwest::Client::builder().build().unwrap(),
        }
    }

    /// A request to one database as the user of one key.
    pub(super) fn request(&self, path: &str, key: &str, database: &str) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}/json/2/{path}", self.pretend.url()));
        request.bearer_auth(key).header("X-Odoo-Database", database)
    }

    /// The status and the answer of a call.
    pub(super) async fn call(&self, path: &str, arguments: Value) -> (u16, Value) {
        let response = self
            .request(path, &self.pretend.api_key(), &self.pretend.database())
            .json(&arguments)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The answer of a call that succeeds.
    pub(super) async fn ok(&self, path: &str, arguments: Value) -> Value {
        let (status, answer) = self.call(path, arguments).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The id of the first record that fits.
    pub(super) async fn id(&self, model: &str, domain: Value) -> i64 {
        let found = self
            .ok(&format!("{model}/search_read"), json!({ "domain": domain }))
            .await;
        found[0]["id"].as_i64().unwrap()
    }

    /// Imports a statement line of STRP against Outstanding.
    pub(super) async fn load_line(&self, name: &str, amount: &str, counter: &str, context: Value) -> Value {
        let journal = self
            .id("account.journal", json!([["code", "=", "STRP"]]))
            .await
            .to_string();
        let own = self
            .id("account.account", json!([["code", "=", "101410"]]))
            .await
            .to_string();
        let outstanding = self
            .id("account.account", json!([["code", "=", "101403"]]))
            .await
            .to_string();
        let fields = [
            "id",
            "journal_id/.id",
            "date",
            "payment_ref",
            "ref",
            "amount",
            "line_ids/account_id/.id",
            "line_ids/name",
            "line_ids/amount_currency",
            "line_ids/currency_id",
        ];
        let first = json!([
            name,
            journal,
            "2026-11-20",
            "charge",
            name,
            amount,
            own,
            "charge",
            amount,
            "EUR"
        ]);
        let second = json!(["", "", "", "", "", "", outstanding, "charge", counter, "EUR"]);
        let arguments = json!({ "fields": fields, "data": [first, second], "context": context });
        self.ok("account.bank.statement.line/load", arguments).await
    }
}

/// The context under which an import makes a record once and never changes it.
pub(super) fn once() -> Value {
    json!({"mode": "update", "noupdate": true})
}
