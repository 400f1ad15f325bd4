//! The suite, for Stripe, with a pretend one behind it.

use std::sync::Arc;

use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::domain::operation::Ask;
use quittance::provider::{Provider, ProviderAccount, Registry};
use quittance::stripe::{Stripe, Timeouts, http_client};
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::{Options, PretendStripe, WebhookEndpoint};
use serde_json::{Value, json};
use time::Duration;

use crate::support::conformance::{Bank, Calls, Effects, Subject, Trouble, conformance};
use crate::support::signed_at;

conformance!(OverPretend);

/// Short enough to wait for, long enough on a busy machine.
const HASTY: Timeouts = Timeouts {
    per_attempt: std::time::Duration::from_secs(1),
    total: std::time::Duration::from_millis(1_500),
};

/// Our Stripe over a pretend one, and an account there.
pub(crate) struct OverPretend {
    pretend: PretendStripe,
    account: ProviderAccount,
}

impl OverPretend {
    fn with_key(&self, key: &str) -> ProviderAccount {
        ProviderAccount {
            secret_key: key.into(),
            ..self.account.clone()
        }
    }

    fn intent(&self, reference: &str) -> Value {
        let intents = self.pretend.payment_intents();
        let found = intents.into_iter().find(|intent| intent["id"] == reference);
        found.unwrap()
    }
}

impl Subject for OverPretend {
    const NAME: &'static str = Stripe::NAME;
    const KEYS_KEPT_FOR: Duration = Duration::hours(24);

    async fn start() -> Self {
        let pretend = PretendStripe::start(Options::default()).await.unwrap();
        let account = ProviderAccount {
            merchant_id: MerchantId::generate(),
            id: ProviderAccountId::generate(),
            provider: Stripe::NAME.to_owned(),
            live: false,
            external_account: None,
            api_base: pretend.url().parse().unwrap(),
            secret_key: pretend.secret_key().into(),
            publishable_key: Some(pretend.publishable_key().to_owned()),
        };
        Self { pretend, account }
    }

    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(Stripe::new(http_client().unwrap(), HASTY, crate::support::AMPLE))
    }

    fn beside_built_in(&self) -> Registry {
        Registry::default()
    }

    fn account(&self) -> ProviderAccount {
        self.account.clone()
    }

    fn unreachable(&self) -> ProviderAccount {
        // Nothing listens on the port of a listener that is gone.
        let gone = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap();
        ProviderAccount {
            api_base: format!("http://{gone}").parse().unwrap(),
            ..self.account.clone()
        }
    }

    fn with_wrong_key(&self) -> ProviderAccount {
        self.with_key("sk_test_of_a_stranger")
    }

    fn with_live_keys(&self) -> ProviderAccount {
        ProviderAccount {
            publishable_key: Some("pk_live_1".to_owned()),
            ..self.with_key("sk_live_1")
        }
    }

    async fn customer_pays(&self, reference: &str, bank: Bank) {
        let secret = self.intent(reference)["client_secret"].clone();
        let card = match bank {
            Bank::Agrees => "pm_card_visa",
            Bank::Declines => "pm_card_chargeDeclinedInsufficientFunds",
        };
        let customer = self.pretend.customer();
        let answer = customer.confirm(reference, secret.as_str().unwrap(), card).await;
        assert_eq!(answer.unwrap()["error"].is_object(), bank == Bank::Declines);
    }

    fn declined_at_once(&self) -> Ask {
        Ask {
            payment_method: Some("pm_card_chargeDeclinedInsufficientFunds".to_owned()),
            ..Ask::default()
        }
    }

    fn saved_method(&self) -> Ask {
        Ask {
            payment_method: Some("pm_card_visa".to_owned()),
            ..Ask::default()
        }
    }

    fn befall(&self, calls: Calls, trouble: Trouble) {
        let method = match calls {
            Calls::Changes => "POST",
            Calls::Reads => "GET",
        };
        let fault = match trouble {
            Trouble::LostAfter => Fault::ResetAfter,
            Trouble::LostBefore => Fault::ResetBefore,
            Trouble::FailedAfter => Fault::ErrorAfter,
            Trouble::Garbage => Fault::Garbage,
            Trouble::RateLimited => Fault::TooManyRequests {
                retry_after_secs: Some(60),
            },
            Trouble::Busy => Fault::Conflict,
        };
        let faults = self.pretend.faults();
        faults.always(Matcher::method_path(method, "/v1/**"), fault);
    }

    fn heal(&self) {
        self.pretend.faults().clear();
    }

    fn forget_keys(&self) {
        self.pretend.forget_keys();
    }

    fn settle(&self) {
        self.pretend.settle();
    }

    fn effects(&self) -> Effects {
        Effects {
            payments: self.pretend.payment_intents().len(),
            takings: self.pretend.charges_made(),
            returns: self.pretend.refunds().len(),
        }
    }

    fn requests(&self) -> usize {
        self.pretend.requests().len()
    }

    fn sign(&self, secret: &str, at: i64, body: &[u8]) -> String {
        signed_at(secret, at, body)
    }

    fn events_about(&self, reference: &str) -> Vec<Vec<u8>> {
        let is_about = |event: &&Value| {
            let object = &event["data"]["object"];
            object["id"] == reference || object["payment_intent"] == reference
        };
        let events = self.pretend.events();
        let about = events.iter().filter(is_about);
        about.map(|event| event.to_string().into_bytes()).collect()
    }

    fn event_in_word(&self, reference: &str, word: &str) -> Vec<u8> {
        let mut intent = self.intent(reference);
        intent["status"] = json!(word);
        let event = json!({ "id": "evt_of_tomorrow", "object": "event", "type": "payment_intent.sent_to_mars",
            "created": 1_790_000_000, "livemode": false, "data": { "object": intent } });
        event.to_string().into_bytes()
    }

    fn event_of_tomorrow(&self) -> Vec<u8> {
        let event = json!({ "id": "evt_1", "object": "event", "type": "rocket.launched", "created": 1_790_000_000,
            "livemode": false, "data": { "object": { "id": "rkt_1", "object": "rocket" } } });
        event.to_string().into_bytes()
    }

    fn spoil_endpoint(&self, reference: &str, left: &str) {
        let narrow = |endpoint: &mut WebhookEndpoint| endpoint.events = vec![left.to_owned()];
        self.pretend.change_endpoint(reference, narrow).unwrap();
        self.pretend.disable_endpoint(reference).unwrap();
    }

    fn send_events(&self, url: String, secret: &str) {
        self.pretend.add_endpoint(WebhookEndpoint::new(url, secret));
    }
}
