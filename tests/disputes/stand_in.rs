//! Providers that answer as Stripe never does on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use quittance::app::auth::Caller;
use quittance::app::{Accounts, App, AppError, Outgoing, disputes};
use quittance::domain::dispute::{DisputeSnapshot, DisputeState, Evidence};
use quittance::domain::ids::{ApiKeyId, DisputeId, OperationId};
use quittance::domain::snapshot::{Said, Snapshot};
use quittance::provider::{
    Affairs, Call, Capability, Delivery, Disputes, Endpoints, History, Interpretation, Memory, ObjectRef,
    Outcome, PartRef, Provider, ProviderAccount, ProviderError, Registry, Settlement, VerifiedWebhook,
    VerifyError, Wallet,
};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::opened;
use crate::support::TestApp;

/// A provider with these disputes, or with none.
struct StandIn(Option<Overtaken>);

/// Disputes whose first read is overtaken: while it is on its way, the dispute is won and we learn of it.
struct Overtaken {
    db: PgPool,
    told: DisputeSnapshot,
    reads: AtomicUsize,
}

#[async_trait]
impl Disputes for Overtaken {
    async fn submit_evidence(
        &self,
        _: &ProviderAccount,
        _: &str,
        _: &Evidence,
        _: bool,
        _: OperationId,
    ) -> Result<DisputeSnapshot, ProviderError> {
        Err(ProviderError::Auth)
    }

    async fn accept_dispute(
        &self,
        _: &ProviderAccount,
        _: &str,
        _: OperationId,
    ) -> Result<DisputeSnapshot, ProviderError> {
        Err(ProviderError::Auth)
    }

    async fn fetch_dispute(&self, _: &ProviderAccount, _: &str) -> Result<DisputeSnapshot, ProviderError> {
        if self.reads.fetch_add(1, Ordering::SeqCst) == 0 {
            sqlx::query("update dispute set state = 'won', version = version + 1")
                .execute(&self.db)
                .await
                .unwrap();
            return Ok(self.told.clone());
        }
        Ok(DisputeSnapshot {
            state: Said::Known(DisputeState::Won),
            ..self.told.clone()
        })
    }

    async fn list_disputes(
        &self,
        _: &ProviderAccount,
        _: OffsetDateTime,
    ) -> Result<Vec<DisputeSnapshot>, ProviderError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Provider for StandIn {
    fn repeatable_for(&self) -> time::Duration {
        time::Duration::hours(20)
    }

    fn capabilities(&self) -> &'static [Capability] {
        &[]
    }

    fn wallet(&self) -> Option<&dyn Wallet> {
        None
    }

    fn home(&self) -> &'static str {
        "https://nowhere.example"
    }

    fn check_keys(&self, _: &ProviderAccount) -> Result<(), String> {
        Ok(())
    }

    async fn execute(&self, _: &ProviderAccount, _: Call<'_>) -> Result<Outcome, ProviderError> {
        Err(ProviderError::Auth)
    }

    async fn find(&self, _: &ProviderAccount, _: Call<'_>) -> Result<Option<Outcome>, ProviderError> {
        Ok(None)
    }

    async fn fetch(&self, _: &ProviderAccount, _: &ObjectRef) -> Result<Snapshot, ProviderError> {
        Err(ProviderError::Auth)
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
        self.0.as_ref().map(|disputes| disputes as &dyn Disputes)
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

/// The service's own parts, with another provider; and who asks for what.
fn with(test: &TestApp, provider: Arc<dyn Provider>, dispute: &Value) -> (App, Caller, DisputeId) {
    let service = test.application().app();
    let app = App {
        db: service.db.clone(),
        intake: service.intake.clone(),
        limits: quittance::app::limits::Limits::new(crate::support::AMPLE_RATES),
        clock: service.clock.clone(),
        sealer: service.sealer.clone(),
        providers: Registry::default().with("stripe", provider),
        sink: Arc::clone(&service.sink),
        outgoing: Outgoing::new(4),
        timing: service.timing,
        kept: service.kept,
        inbox: service.inbox.clone(),
        in_hand: quittance::app::queue::InHand::default(),
        keys: quittance::app::auth::Keys::following(service.db.clone()).0,
        trusted_proxies: service.trusted_proxies.clone(),
        gauges: quittance::app::gauges::Gauges::default(),
        accounts: Accounts::default(),
        runtime: service.runtime.clone(),
        tasks: service.tasks.clone(),
        bell: Arc::clone(&service.bell),
    };
    let caller = Caller {
        merchant_id: test.merchant,
        key_id: ApiKeyId::generate(),
        live: false,
        binding: None,
        scopes: Vec::new(),
        request_id: None,
        address: std::net::Ipv4Addr::LOCALHOST.into(),
    };
    (app, caller, dispute["id"].as_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_provider_without_disputes_is_said_to_have_none() {
    let test = TestApp::spawn().await;
    let (_, dispute) = opened(&test, "S1").await;
    let (app, caller, id) = with(&test, Arc::new(StandIn(None)), &dispute);
    let refused = disputes::get(&app, &caller, id, true).await.unwrap_err();
    assert!(matches!(refused, AppError::NotSupported { .. }), "{refused}");
    assert_eq!(
        refused.to_string(),
        "the provider of this account has no disputes"
    );
    assert!(disputes::get(&app, &caller, id, false).await.is_ok());
}

#[tokio::test]
async fn a_read_that_something_overtook_is_made_again_and_never_taken_in() {
    let test = TestApp::spawn().await;
    let (_, dispute) = opened(&test, "S1").await;
    super::all_applied(&test).await;
    let (app, caller, id) = with(&test, Arc::new(StandIn(None)), &dispute);
    let told = disputes::get(&app, &caller, id, false).await.unwrap().told;
    let provider = Arc::new(StandIn(Some(Overtaken {
        db: test.db.clone(),
        told,
        reads: AtomicUsize::new(0),
    })));
    let (app, caller, id) = with(&test, Arc::clone(&provider) as Arc<dyn Provider>, &dispute);
    let read = disputes::get(&app, &caller, id, true).await.unwrap();
    assert_eq!(read.told.state, Said::Known(DisputeState::Won));
    let reads = provider
        .0
        .as_ref()
        .map(|disputes| disputes.reads.load(Ordering::SeqCst));
    assert_eq!(reads, Some(2));
    assert_eq!(test.count("exception where kind = 'impossible_state'").await, 0);
}
