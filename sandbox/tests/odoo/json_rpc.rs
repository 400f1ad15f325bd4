//! An Odoo before 19: what it says it is, and JSON-RPC.

use quittance_sandbox::odoo::{Options, PretendOdoo, Version};
use serde_json::{Value, json};

struct Old(PretendOdoo);

impl Old {
    async fn start(version: Version) -> Self {
        let options = Options {
            version,
            ..Options::default()
        };
        Self(PretendOdoo::start(options).await.unwrap())
    }

    async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let request = http.post(format!("{}{path}", self.0.url()));
        request.json(body).send().await.unwrap()
    }

    async fn service(&self, service: &str, method: &str, arguments: Value) -> Value {
        let params = json!({"service": service, "method": method, "args": arguments});
        let answer = self.post("/jsonrpc", &json!({"id": 7, "params": params})).await;
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
        answer
    }

    /// Calls a method with arguments by place and by name.
    async fn call(&self, model: &str, method: &str, by_place: Value, by_name: Value) -> Value {
        let key = self.0.api_key();
        let call = json!([self.0.database(), 2, key, model, method, by_place, by_name]);
        self.service("object", "execute_kw", call).await
    }

    /// The Python class of a call's error.
    async fn class(&self, model: &str, method: &str, by_place: Value, by_name: Value) -> String {
        let answer = self.call(model, method, by_place, by_name).await;
        answer["error"]["data"]["name"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_version_is_said_where_each_release_says_it() {
    for (version, major, bare) in [
        (Version::V17, 17, 404),
        (Version::V18, 18, 404),
        (Version::V19, 19, 200),
    ] {
        let old = Old::start(version).await;
        let said: Value = old
            .post("/web/webclient/version_info", &json!({}))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(said["result"]["server_version_info"][0], major);
        let get = reqwest::get(format!("{}/web/version", old.0.url()))
            .await
            .unwrap();
        assert_eq!(get.status(), bare);
    }
}

#[tokio::test]
async fn before_19_json_2_is_a_way_to_the_login_page() {
    let old = Old::start(Version::V18).await;
    let answer = old.post("/json/2/res.partner/search_read", &json!({})).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(
        answer.headers()["location"],
        "/web/login?redirect=%2Fjson%2F2%2Fres.partner%2Fsearch_read"
    );
}

#[tokio::test]
async fn a_login_and_its_key_are_a_user_and_anything_else_is_false() {
    let old = Old::start(Version::V18).await;
    let (database, login, key) = (old.0.database(), old.0.login(), old.0.api_key());
    let user = async |arguments| old.service("common", "authenticate", arguments).await["result"].clone();

    assert_eq!(user(json!([database, login, key, {}])).await, 2);
    assert_eq!(user(json!([database, login, "wrong", {}])).await, false);
    assert_eq!(user(json!([database, "nobody", key, {}])).await, false);
    let elsewhere = json!(["nowhere", login, key, {}]);
    let answer = old.service("common", "authenticate", elsewhere).await;
    assert_eq!(answer["error"]["data"]["name"], "psycopg2.OperationalError");
}

#[tokio::test]
async fn arguments_have_their_place_or_their_name() {
    let old = Old::start(Version::V18).await;
    let partner = old
        .call("res.partner", "create", json!([[{"name": "Ada"}]]), json!({}))
        .await["result"][0]
        .clone();
    let domain = json!([["id", "=", partner]]);
    let named = json!({"domain": domain, "fields": ["name"]});
    let found = old.call("res.partner", "search_read", json!([]), named).await;
    assert_eq!(found["result"], json!([{"id": partner, "name": "Ada"}]));
    let placed = old
        .call("res.partner", "search_read", json!([domain, ["name"]]), json!({}))
        .await;
    assert_eq!(placed, found);
    let nothing = old
        .call("account.payment", "action_post", json!([[]]), json!({}))
        .await;
    assert_eq!(nothing, json!({"jsonrpc": "2.0", "id": 7}));
}

#[tokio::test]
async fn errors_come_with_status_200_under_their_python_class() {
    let old = Old::start(Version::V18).await;
    let payment = "account.payment";
    for (model, method, by_place, by_name, class) in [
        (
            "no.model",
            "read",
            json!([[1]]),
            json!({}),
            "odoo.exceptions.UserError",
        ),
        (
            payment,
            "dance",
            json!([[1]]),
            json!({}),
            "builtins.AttributeError",
        ),
        (
            payment,
            "_search",
            json!([[1]]),
            json!({}),
            "odoo.exceptions.AccessError",
        ),
        (
            payment,
            "action_post",
            json!([]),
            json!({}),
            "builtins.IndexError",
        ),
        (
            payment,
            "action_post",
            json!([[9]]),
            json!({}),
            "odoo.exceptions.MissingError",
        ),
        (
            "res.partner",
            "create",
            json!([]),
            json!({"vals_list": [{}]}),
            "builtins.IndexError",
        ),
        (
            "res.partner",
            "default_get",
            json!([]),
            json!({"fields": []}),
            "builtins.TypeError",
        ),
        (
            payment,
            "search_read",
            json!([]),
            json!({"fields": ["x"]}),
            "builtins.ValueError",
        ),
    ] {
        assert_eq!(
            old.class(model, method, by_place, by_name).await,
            class,
            "{model}/{method}"
        );
    }
    old.0.replace_api_key("new");
    let call = json!([old.0.database(), 2, "old", payment, "read", [[1]], {}]);
    let denied = old.service("object", "execute_kw", call).await;
    assert_eq!(denied["error"]["data"]["name"], "odoo.exceptions.AccessDenied");
}

#[tokio::test]
async fn before_18_rights_are_asked_for_by_their_older_name() {
    let older = Old::start(Version::V17).await;
    let rights = json!(["create", false]);
    let answer = older
        .call("account.payment", "check_access_rights", rights, json!({}))
        .await;
    assert_eq!(answer["result"], true);
    let class = older
        .class("account.payment", "has_access", json!([[], "create"]), json!({}))
        .await;
    assert_eq!(class, "builtins.AttributeError");
}
