//! A client of Odoo's external API that is not Quittance's own, so that every Odoo is looked at in the same way.

use quittance_sandbox::odoo::{Options, PretendOdoo, Version};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

/// The way into one database, and what is behind it.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) url: Url,
    pub(super) database: String,
    /// None where none is needed.
    pub(super) login: Option<String>,
    pub(super) api_key: String,
    /// The pretend one, where it is that.
    pub(super) pretend: Option<PretendOdoo>,
    /// The id of the key's user: an old Odoo takes its time to tell it.
    user: OnceCell<Value>,
    http: reqwest::Client,
}

fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests choose their Odoo by the environment"
)]
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Door {
    /// A real Odoo of a version where the environment names one, or else a pretend one.
    pub(super) async fn find(version: Version) -> Self {
        match Self::real() {
            Some(door) if door.is(version).await => door,
            Some(_) | None => {
                println!(
                    "real Odoo {} skipped: set ODOO_URL, ODOO_DB, ODOO_API_KEY and, below 19, ODOO_LOGIN",
                    version.major()
                );
                let options = Options {
                    version,
                    ..Options::default()
                };
                Self::pretend(options).await
            }
        }
    }

    /// A company that counts in a currency: the real one where the environment names one of that version which does, with these
    /// rates, or else a pretend one.
    pub(super) async fn find_company(options: Options) -> Self {
        if let Some(door) = Self::real()
            && door.is(options.version).await
        {
            let company = &door.search("res.company", json!([]), &["currency_id"]).await[0];
            if company["currency_id"][1] == options.currency.as_str() {
                door.keep_rates(&options.rates).await;
                return door;
            }
        }
        println!(
            "real Odoo {} of a company in {} skipped: ODOO_URL names none",
            options.version.major(),
            options.currency
        );
        Self::pretend(options).await
    }

    /// Writes rates, in millionths, that hold from the beginning of the year; those that are there stay.
    async fn keep_rates(&self, rates: &[(String, u64)]) {
        let day = "2026-01-01";
        for (code, rate) in rates {
            let known = json!([["currency_id.name", "=", code], ["name", "=", day]]);
            if !self
                .search("res.currency.rate", known, &["rate"])
                .await
                .is_empty()
            {
                continue;
            }
            let currency = &self
                .search("res.currency", json!([["name", "=", code]]), &["name"])
                .await[0];
            let rate: Value =
                serde_json::from_str(&format!("{}.{:06}", rate / 1_000_000, rate % 1_000_000)).unwrap();
            let new = json!({ "currency_id": currency["id"], "name": day, "rate": rate });
            self.create("res.currency.rate", vec![new]).await;
        }
    }

    fn real() -> Option<Self> {
        Some(Self {
            url: read("ODOO_URL")?.parse().unwrap(),
            database: read("ODOO_DB")?,
            login: read("ODOO_LOGIN"),
            api_key: read("ODOO_API_KEY")?,
            pretend: None,
            user: OnceCell::new(),
            http: http(),
        })
    }

    pub(super) async fn pretend(options: Options) -> Self {
        let version = options.version;
        let pretend = PretendOdoo::start(options).await.unwrap();
        Self {
            url: pretend.url().parse().unwrap(),
            database: pretend.database(),
            login: (version < Version::V19).then(|| pretend.login()),
            api_key: pretend.api_key(),
            pretend: Some(pretend),
            user: OnceCell::new(),
            http: http(),
        }
    }

    /// Whether that version stands for this Odoo: 16 is as 17.
    async fn is(&self, version: Version) -> bool {
        let said = self.post("/web/webclient/version_info", &json!({})).await;
        let major = said["result"]["server_version_info"][0].as_u64().unwrap();
        u64::from(version.major()) == major.clamp(17, 19)
    }

    /// Calls a method, `model/method`, which must succeed.
    pub(super) async fn call(&self, path: &str, arguments: Value) -> Value {
        let Some(login) = &self.login else {
            return self.call_json_2(path, &arguments).await;
        };
        let by_login = json!([self.database, login, self.api_key, {}]);
        let user = || self.call_json_rpc("common", "authenticate", by_login);
        let user = self.user.get_or_init(user).await;
        let (model, method) = path.split_once('/').unwrap();
        let mut named = arguments.as_object().unwrap().clone();
        let placed = match method {
            "search_read" | "load" => Vec::new(),
            "create" => vec![named.remove("vals_list").unwrap()],
            "write" => vec![named.remove("ids").unwrap(), named.remove("vals").unwrap()],
            _ => vec![named.remove("ids").unwrap()],
        };
        let call = json!([self.database, user, self.api_key, model, method, placed, named]);
        self.call_json_rpc("object", "execute_kw", call).await
    }

    /// What a search finds.
    pub(super) async fn search(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        let wish = json!({ "domain": domain, "fields": fields });
        let answer = self.call(&format!("{model}/search_read"), wish).await;
        answer.as_array().unwrap().clone()
    }

    /// Makes records in one call. Their ids.
    pub(super) async fn create(&self, model: &str, vals: Vec<Value>) -> Vec<i64> {
        let answer = self
            .call(&format!("{model}/create"), json!({ "vals_list": vals }))
            .await;
        serde_json::from_value(answer).unwrap()
    }

    async fn call_json_2(&self, path: &str, arguments: &Value) -> Value {
        let response = self
            .http
            .post(self.url.join(&format!("/json/2/{path}")).unwrap())
            .bearer_auth(&self.api_key)
            .header("X-Odoo-Database", &self.database)
            .json(arguments)
            .send()
            .await
            .unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {}", answer["message"]);
        answer
    }

    async fn call_json_rpc(&self, service: &str, method: &str, arguments: Value) -> Value {
        let params = json!({ "service": service, "method": method, "args": arguments });
        let answer = self.post("/jsonrpc", &json!({ "params": params })).await;
        let message = &answer["error"]["data"]["message"];
        assert!(message.is_null(), "{service}/{method}: {message}");
        answer["result"].clone()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(self.url.join(path).unwrap()).json(body);
        request.send().await.unwrap().json().await.unwrap()
    }
}
