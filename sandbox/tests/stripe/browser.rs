//! A customer's browser: the page of Checkout, and what the stand-in for Stripe.js asks for.

use axum::http::StatusCode;
use reqwest::Response;
use reqwest::redirect::Policy;
use serde_json::Value;

use super::checkout::{SESSIONS, selling};
use super::support::{Answered, Desk, kinds};

const PAYS: &str = "4242 4242 4242 4242";
const DECLINES: &str = "4000000000009995";
const ASKS: &str = "4000002760003184";

/// A browser that shows each page and follows nothing by itself.
struct Browser {
    client: reqwest::Client,
    base: String,
    key: String,
}

impl Browser {
    fn at(desk: &Desk) -> Self {
        let client = reqwest::Client::builder().redirect(Policy::none()).build();
        Self {
            client: client.unwrap(),
            base: desk.stripe.url(),
            key: desk.stripe.publishable_key().to_owned(),
        }
    }

    async fn open(&self, url: &str) -> Response {
        self.client.get(url).send().await.unwrap()
    }

    async fn press(&self, url: &str, form: &[(&str, &str)]) -> Response {
        self.client.post(url).form(form).send().await.unwrap()
    }

    /// As the script asks: the publishable key goes with the form.
    async fn ask(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let form = [&[("key", self.key.as_str())], form].concat();
        let answer = self.press(&format!("{}/v1/{path}", self.base), &form).await;
        (answer.status(), answer.json().await.unwrap())
    }

    async fn type_card(&self, number: &str) -> String {
        let (_, made) = self
            .ask("payment_methods", &[("type", "card"), ("card[number]", number)])
            .await;
        made["id"].as_str().unwrap().to_owned()
    }
}

fn sent_to(answer: &Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

async fn session(desk: &Desk) -> (Answered, String) {
    let opened = desk.post(SESSIONS, &selling("payment_method_types[]=card")).await;
    let url = opened.body["url"].as_str().unwrap().to_owned();
    (opened, url)
}

async fn status_of(desk: &Desk, session: &Answered) -> Value {
    let path = format!("{SESSIONS}/{}", session.id());
    desk.get(&path).await.body["status"].clone()
}

/// An intent that waits for a method, and its secret.
async fn intent(desk: &Desk) -> (String, String) {
    let form = "amount=12100&currency=eur&payment_method_types[]=card";
    let made = desk.post("/v1/payment_intents", form).await;
    let secret = made.body["client_secret"].as_str().unwrap().to_owned();
    (made.id().to_owned(), secret)
}

#[tokio::test]
async fn a_number_typed_on_the_page_pays_and_sends_its_customer_to_the_shop() {
    let desk = Desk::open().await;
    let browser = Browser::at(&desk);
    let (opened, url) = session(&desk).await;
    let page = browser.open(&url).await.text().await.unwrap();
    assert!(page.contains("121.00 EUR"), "{page}");
    let paid = browser.press(&url, &[("number", PAYS)]).await;
    assert_eq!(paid.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        sent_to(&paid),
        format!("https://shop.example/done?session={}", opened.id())
    );
    assert_eq!(status_of(&desk, &opened).await, "complete");
    assert_eq!(desk.stripe.charges_made(), 1);
}

#[tokio::test]
async fn a_number_that_declines_leaves_the_page_open_and_says_why() {
    let desk = Desk::open().await;
    let browser = Browser::at(&desk);
    let (opened, url) = session(&desk).await;
    for (number, reason) in [
        (DECLINES, "Your card has insufficient funds."),
        ("4242424242424241", "Your card number is incorrect."),
    ] {
        let refused = browser.press(&url, &[("number", number)]).await;
        assert_eq!(refused.status(), StatusCode::PAYMENT_REQUIRED);
        let page = refused.text().await.unwrap();
        assert!(
            page.contains(reason) && page.contains("name=\"number\""),
            "{page}"
        );
    }
    assert_eq!(status_of(&desk, &opened).await, "open");
    browser.press(&url, &[("number", PAYS)]).await;
    assert_eq!(status_of(&desk, &opened).await, "complete");
    assert_eq!(desk.stripe.charges_made(), 1);
}

#[tokio::test]
async fn a_customer_who_cancels_goes_back_to_the_shop_and_leaves_the_page_open() {
    let desk = Desk::open().await;
    let (opened, url) = session(&desk).await;
    let page = Browser::at(&desk).open(&url).await.text().await.unwrap();
    assert!(
        page.contains("<a id=\"cancel\" href=\"https://shop.example\">"),
        "{page}"
    );
    assert_eq!(status_of(&desk, &opened).await, "open");
    assert!(desk.stripe.payment_intents().is_empty());
}

#[tokio::test]
async fn a_number_whose_bank_asks_leads_over_the_banks_page_to_the_shop() {
    let desk = Desk::open().await;
    let browser = Browser::at(&desk);
    let (opened, url) = session(&desk).await;
    let asked = browser.press(&url, &[("number", ASKS)]).await;
    let bank = sent_to(&asked).to_owned();
    assert!(
        browser
            .open(&bank)
            .await
            .text()
            .await
            .unwrap()
            .contains("121.00 EUR")
    );
    let returned = browser.press(&bank, &[("outcome", "succeed")]).await;
    let shop = browser.open(sent_to(&returned)).await;
    assert!(sent_to(&shop).starts_with("https://shop.example/done"));
    assert_eq!(status_of(&desk, &opened).await, "complete");
}

#[tokio::test]
async fn confirming_by_browser_moves_an_intent_as_the_api_does() {
    let (by_browser, by_merchant) = (Desk::open().await, Desk::open().await);
    let browser = Browser::at(&by_browser);
    let (id, secret) = intent(&by_browser).await;
    let method = browser.type_card(PAYS).await;
    let form = [("client_secret", secret.as_str()), ("payment_method", &method)];
    let (status, paid) = browser.ask(&format!("payment_intents/{id}/confirm"), &form).await;
    assert_eq!((status, &paid["status"]), (StatusCode::OK, &"succeeded".into()));
    assert_eq!(paid["customer"], Value::Null);

    let (other, _) = intent(&by_merchant).await;
    let confirm = format!("/v1/payment_intents/{other}/confirm");
    by_merchant.post(&confirm, "payment_method=pm_card_visa").await;
    assert_eq!(
        kinds(&by_browser.stripe.events()),
        kinds(&by_merchant.stripe.events())
    );
    let moved = |desk: &Desk| {
        let intent = desk.stripe.payment_intents().pop().unwrap();
        (intent["status"].clone(), intent["amount_received"].clone())
    };
    assert_eq!(moved(&by_browser), moved(&by_merchant));
}

#[tokio::test]
async fn a_decline_to_a_browser_is_an_error_and_the_next_card_pays() {
    let desk = Desk::open().await;
    let browser = Browser::at(&desk);
    let (id, secret) = intent(&desk).await;
    let confirm = format!("payment_intents/{id}/confirm");
    let declining = browser.type_card(DECLINES).await;
    let form = [("client_secret", secret.as_str()), ("payment_method", &declining)];
    let (status, declined) = browser.ask(&confirm, &form).await;
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(declined["error"]["decline_code"], "insufficient_funds");
    let paying = browser.type_card(PAYS).await;
    let form = [("client_secret", secret.as_str()), ("payment_method", &paying)];
    assert_eq!(browser.ask(&confirm, &form).await.1["status"], "succeeded");
}

#[tokio::test]
async fn a_publishable_key_does_nothing_without_the_secret_of_that_very_intent() {
    let desk = Desk::open().await;
    let browser = Browser::at(&desk);
    let (id, _) = intent(&desk).await;
    let (_, of_another) = intent(&desk).await;
    let setup = desk
        .post("/v1/setup_intents", "payment_method_types[]=card")
        .await;
    let method = browser.type_card(PAYS).await;
    for path in [
        format!("payment_intents/{id}/confirm"),
        format!("setup_intents/{}/confirm", setup.id()),
    ] {
        let wrong = [
            ("client_secret", of_another.as_str()),
            ("payment_method", &method),
        ];
        let (status, refused) = browser.ask(&path, &wrong).await;
        assert_eq!(
            (status, &refused["error"]["param"]),
            (StatusCode::BAD_REQUEST, &"client_secret".into())
        );
        let none = [("payment_method", method.as_str())];
        assert_eq!(browser.ask(&path, &none).await.0, StatusCode::BAD_REQUEST);
    }
    let (status, _) = browser.ask("refunds", &[("payment_intent", &id)]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(desk.stripe.charges_made(), 0);
    assert_eq!(
        desk.stripe.setup_intents()[0]["status"],
        "requires_payment_method"
    );
}

#[tokio::test]
async fn a_merchant_who_sends_a_card_number_is_refused() {
    let desk = Desk::open().await;
    let form = "type=card&card[number]=4242424242424242";
    let refused = desk.post("/v1/payment_methods", form).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["param"]),
        (StatusCode::BAD_REQUEST, &"card[number]".into())
    );
}

#[tokio::test]
async fn the_script_knows_its_stripe_which_any_origin_may_call() {
    let desk = Desk::open().await;
    let browser = Browser::at(&desk);
    let script = browser.open(&desk.stripe.script_url()).await;
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
    let text = script.text().await.unwrap();
    assert!(text.contains(&format!("const API = \"{}\"", desk.stripe.url())));
    let url = format!("{}/v1/payment_methods", desk.stripe.url());
    let preflight = browser
        .client
        .request(reqwest::Method::OPTIONS, &url)
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    let asked = browser.press(&url, &[("key", &browser.key)]).await;
    for answer in [preflight, asked] {
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }
}
