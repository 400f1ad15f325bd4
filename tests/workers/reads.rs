//! Reads of a payment that something overtook.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use quittance::app::queue::InHand;
use quittance::app::{Accounts, App, Outgoing, payments};
use quittance::domain::payment::PaymentState;
use quittance::domain::snapshot::{PaymentSnapshot, Said, Snapshot};
use quittance::provider::{
    Affairs, Call, Capability, Delivery, Disputes, Endpoints, History, Interpretation, Memory, ObjectRef,
    Outcome, PartRef, Provider, ProviderAccount, ProviderError, Registry, Settlement, VerifiedWebhook,
    VerifyError, Wallet,
};
use quittance::startup::Role;
use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::support::{TestApp, Wishes};

/// A provider whose first read is overtaken: while it is on its way, the payment is captured and we learn of it.
struct Overtaken {
    db: PgPool,
    reads: AtomicUsize,
}

#[async_trait]
impl Provider for Overtaken {
    fn home(&self) -> &'static str {
        "https://nowhere.example"
    }

    fn check_keys(&self, _: &ProviderAccount) -> Result<(), String> {
        Ok(())
    }

    fn wallet(&self) -> Option<&dyn Wallet> {
        None
    }

    fn capabilities(&self) -> &'static [Capability] {
        &[]
    }

    fn repeatable_for(&self) -> Duration {
        Duration::ZERO
    }

    async fn execute(&self, _: &ProviderAccount, _: Call<'_>) -> Result<Outcome, ProviderError> {
        Err(ProviderError::Auth)
    }

    async fn find(&self, _: &ProviderAccount, _: Call<'_>) -> Result<Option<Outcome>, ProviderError> {
        Ok(None)
    }

    async fn fetch(&self, _: &ProviderAccount, object: &ObjectRef) -> Result<Snapshot, ProviderError> {
        let ObjectRef::Payment(reference) = object else {
            return Err(ProviderError::Auth);
        };
        let first = self.reads.fetch_add(1, Ordering::SeqCst) == 0;
        if first {
            sqlx::query(
                "update payment set state = 'captured', captured_minor = 12100, version = version + 1",
            )
            .execute(&self.db)
            .await
            .unwrap();
        }
        Ok(Snapshot::Payment(PaymentSnapshot {
            provider_reference: reference.clone(),
            state: Said::Known(if first {
                PaymentState::Processing
            } else {
                PaymentState::Captured
            }),
            amount: "EUR"
                .parse()
                .map(|currency| quittance::domain::money::Money::new(12_100, currency))
                .unwrap(),
            capturable_minor: 0,
            captured_minor: if first { 0 } else { 12_100 },
            client_secret: None,
            next_action: None,
            decline: None,
            payment_method: None,
            charge: None,
        }))
    }

    fn signature_header(&self) -> &'static str {
        "x"
    }

    fn verify<'a>(
        &self,
        _: &Delivery<'a>,
        _: &[SecretString],
        _: OffsetDateTime,
    ) -> Result<VerifiedWebhook<'a>, VerifyError> {
        Err(VerifyError::NoSecret)
    }

    fn interpret(&self, _: &[u8]) -> Interpretation {
        Interpretation::NotFollowed
    }

    async fn resolve(&self, _: &ProviderAccount, _: &PartRef) -> Result<Interpretation, ProviderError> {
        Err(ProviderError::Auth)
    }

    fn endpoints(&self) -> Option<&dyn Endpoints> {
        None
    }

    fn disputes(&self) -> Option<&dyn Disputes> {
        None
    }

    fn history(&self) -> Option<&dyn History> {
        None
    }

    fn affairs(&self) -> Option<&dyn Affairs> {
        None
    }

    fn rights(&self) -> Option<&dyn quittance::provider::Rights> {
        None
    }

    fn memory(&self) -> Option<&dyn Memory> {
        None
    }

    fn settlement(&self) -> Option<&dyn Settlement> {
        None
    }
}

#[tokio::test]
async fn a_read_that_something_overtook_is_made_again_and_never_taken_in() {
    let wishes = Wishes {
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    };
    let test = TestApp::spawn_with(wishes).await;
    let created = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let id = created["id"].as_str().unwrap();

    let service = test.application().app();
    let provider = Arc::new(Overtaken {
        db: test.db.clone(),
        reads: AtomicUsize::new(0),
    });
    let app = App {
        db: service.db.clone(),
        intake: service.intake.clone(),
        limits: quittance::app::limits::Limits::new(crate::support::AMPLE_RATES),
        clock: service.clock.clone(),
        sealer: service.sealer.clone(),
        providers: Registry::default().with("stripe", Arc::clone(&provider) as Arc<dyn Provider>),
        sink: Arc::clone(&service.sink),
        outgoing: Outgoing::new(4),
        timing: service.timing,
        kept: service.kept,
        inbox: service.inbox.clone(),
        in_hand: InHand::default(),
        keys: quittance::app::auth::Keys::following(service.db.clone()).0,
        trusted_proxies: service.trusted_proxies.clone(),
        gauges: quittance::app::gauges::Gauges::default(),
        accounts: Accounts::default(),
        runtime: service.runtime.clone(),
        tasks: service.tasks.clone(),
        bell: Arc::clone(&service.bell),
    };
    payments::refresh(&app, test.merchant, id.parse().unwrap(), None)
        .await
        .unwrap();

    let payment = test.payment(id).await;
    assert_eq!(
        (&payment["state"], &payment["exceptions"]),
        (&json!("captured"), &json!([]))
    );
    assert_eq!(provider.reads.load(Ordering::SeqCst), 2);
}
