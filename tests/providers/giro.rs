//! The suite, for a company that is nothing like Stripe.

use std::sync::Arc;

use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::domain::operation::Ask;
use quittance::provider::{Provider, ProviderAccount, Registry};
use serde_json::json;
use time::Duration;

use crate::support::conformance::{Bank, Calls, Effects, Subject, Trouble, conformance};
use crate::support::giro::{Company, Giro, seal};

conformance!(InMemory);

/// The company in memory, and an account there.
pub(crate) struct InMemory {
    company: Arc<Company>,
    account: ProviderAccount,
}

impl InMemory {
    fn with_key(&self, key: &str) -> ProviderAccount {
        ProviderAccount {
            secret_key: key.into(),
            ..self.account.clone()
        }
    }
}

impl Subject for InMemory {
    const NAME: &'static str = Giro::NAME;
    const KEYS_KEPT_FOR: Duration = Duration::hours(1);

    async fn start() -> Self {
        Self {
            company: Arc::default(),
            account: ProviderAccount {
                merchant_id: MerchantId::generate(),
                id: ProviderAccountId::generate(),
                provider: Giro::NAME.to_owned(),
                live: false,
                external_account: None,
                api_base: Company::ADDRESS.parse().unwrap(),
                secret_key: Company::KEY.into(),
                publishable_key: None,
            },
        }
    }

    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(Giro::new(Arc::clone(&self.company)))
    }

    fn beside_built_in(&self) -> Registry {
        Registry::default().with(Giro::NAME, self.provider())
    }

    fn account(&self) -> ProviderAccount {
        self.account.clone()
    }

    fn unreachable(&self) -> ProviderAccount {
        ProviderAccount {
            api_base: "https://nobody.invalid/".parse().unwrap(),
            ..self.account.clone()
        }
    }

    fn with_wrong_key(&self) -> ProviderAccount {
        self.with_key("giro-sandbox-of-a-stranger")
    }

    fn with_live_keys(&self) -> ProviderAccount {
        self.with_key("giro-real-7f3a")
    }

    async fn customer_pays(&self, reference: &str, bank: Bank) {
        self.company.decide(reference, bank);
    }

    fn declined_at_once(&self) -> Ask {
        self.company.block_next();
        Ask::default()
    }

    fn saved_method(&self) -> Ask {
        Ask {
            payment_method: Some("of_somewhere_else".to_owned()),
            ..Ask::default()
        }
    }

    fn befall(&self, calls: Calls, trouble: Trouble) {
        self.company.befall(Some((calls, trouble)));
    }

    fn heal(&self) {
        self.company.befall(None);
    }

    fn forget_keys(&self) {
        self.company.forget_instructions();
    }

    fn settle(&self) {
        self.company.settle();
    }

    fn effects(&self) -> Effects {
        self.company.effects()
    }

    fn requests(&self) -> usize {
        self.company.requests()
    }

    fn sign(&self, secret: &str, at: i64, body: &[u8]) -> String {
        seal(secret, at, body)
    }

    fn events_about(&self, reference: &str) -> Vec<Vec<u8>> {
        self.company.notices_of(reference)
    }

    fn event_in_word(&self, reference: &str, word: &str) -> Vec<u8> {
        self.company.notice_in_word(reference, word)
    }

    fn event_of_tomorrow(&self) -> Vec<u8> {
        let notice = json!({ "notice": "GN-0", "what": "mandate.renewed", "about": "GM-1",
            "at": "2026-10-01T12:00:00Z", "real": false });
        notice.to_string().into_bytes()
    }

    fn spoil_endpoint(&self, _: &str, _: &str) {
        panic!("it has no endpoints to be told of")
    }

    fn send_events(&self, url: String, secret: &str) {
        self.company.tell_at(url, secret.to_owned());
    }
}
