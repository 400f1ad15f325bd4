//! What a test may see and set while a pretend Stripe runs.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::PretendStripe;
use super::disputes::{self, Verdict};
use super::payouts::PayoutStep;
use super::requests::SeenRequest;
use super::state::{Origin, Row, State, Table};
use super::webhooks::{DeliveryPlan, WebhookEndpoint};

/// What happened to the account's money.
impl PretendStripe {
    /// How many charges a bank agreed to: how often money was taken or held.
    #[must_use]
    pub fn charges_made(&self) -> usize {
        self.service
            .state()
            .charges
            .rows()
            .iter()
            .filter(|charge| charge.paid())
            .count()
    }

    /// All charges as the API shows them, oldest first, failed ones included.
    #[must_use]
    pub fn charges(&self) -> Vec<Value> {
        self.service.state().charges.views()
    }

    /// All refunds as the API shows them, oldest first.
    #[must_use]
    pub fn refunds(&self) -> Vec<Value> {
        self.service.state().refunds.views()
    }

    /// All payment intents as the API shows them, oldest first.
    #[must_use]
    pub fn payment_intents(&self) -> Vec<Value> {
        self.service.state().payment_intents.views()
    }

    /// All setup intents as the API shows them, oldest first.
    #[must_use]
    pub fn setup_intents(&self) -> Vec<Value> {
        self.service.state().setup_intents.views()
    }

    /// All sessions of Checkout as the API shows them, oldest first.
    #[must_use]
    pub fn checkout_sessions(&self) -> Vec<Value> {
        let state = self.service.state();
        let ids = state.sessions.rows().iter().map(Row::id);
        ids.filter_map(|id| state.session_view(id)).collect()
    }

    /// Lets the time of an open session of Checkout run out.
    pub fn let_expire(&self, session: &str) -> Result<()> {
        let mut state = self.service.state();
        state.origin = Origin::default();
        let expired = state.expire_session(session);
        expired.map_err(|error| anyhow!("{session} does not expire: {}", error.message()))
    }

    /// All balance transactions as the API shows them, oldest first.
    #[must_use]
    pub fn balance_transactions(&self) -> Vec<Value> {
        self.service.state().balance_transactions.views()
    }

    /// All events as the API shows them, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.service.state().events.views()
    }

    /// What the account holds of a currency in minor units, fees taken off.
    #[must_use]
    pub fn balance(&self, currency: &str) -> i64 {
        self.service.state().held(currency)
    }

    /// Does now what would come later: balance transactions of asynchronous captures, ends of slow refunds.
    pub fn settle(&self) {
        self.service.state().catch_up(None);
        self.service.courier.progress();
    }
}

/// What was asked.
impl PretendStripe {
    /// Every request to the API, in order, refused and broken ones included.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.service.seen().clone()
    }

    /// The idempotency keys of all requests, in order, repeats included.
    #[must_use]
    pub fn keys_seen(&self) -> Vec<String> {
        self.service
            .seen()
            .iter()
            .filter_map(|request| request.idempotency_key.clone())
            .collect()
    }
}

/// What Stripe does by itself in time.
impl PretendStripe {
    /// Forgets all idempotency keys, as Stripe may after 24 hours.
    pub fn forget_keys(&self) {
        self.service.state().keys.forget();
    }

    /// Lets go of all events so far, as Stripe does after 30 days: they are listed no more.
    pub fn forget_events(&self) {
        self.service.state().events = Table::default();
    }

    /// Lets the time run out in which an authorization can be captured.
    pub fn lapse(&self, intent: &str) -> Result<()> {
        let lapsed = self.unasked().lapse(intent);
        lapsed.with_context(|| format!("{intent} is not authorized"))?;
        Ok(())
    }

    /// Lets a pending refund arrive.
    pub fn complete_refund(&self, refund: &str) -> Result<()> {
        let completed = self.unasked().complete_refund(refund);
        completed.with_context(|| format!("{refund} is not pending"))
    }

    /// Lets the bank send a refund back, pending or not.
    pub fn fail_refund(&self, refund: &str) -> Result<()> {
        let failed = self.unasked().fail_refund(refund);
        failed.with_context(|| format!("{refund} cannot fail"))
    }

    /// Lets the holder's bank dispute a charge, named by its own id or by its intent's. Returns the dispute's id.
    pub fn dispute(&self, charge_or_intent: &str, reason: &str) -> Result<String> {
        self.open_dispute(charge_or_intent, reason, false)
    }

    /// Lets the holder's bank ask about a charge, without taking its money. Returns the dispute's id.
    pub fn inquire(&self, charge_or_intent: &str, reason: &str) -> Result<String> {
        self.open_dispute(charge_or_intent, reason, true)
    }

    /// Turns an open inquiry into a dispute.
    pub fn escalate_dispute(&self, dispute: &str) -> Result<()> {
        let escalated = self.unasked().escalate(dispute);
        escalated.with_context(|| format!("{dispute} is no open inquiry"))
    }

    /// Brings the bank's decision on an open dispute.
    pub fn decide_dispute(&self, dispute: &str, verdict: Verdict) -> Result<()> {
        let decided = self.unasked().decide(dispute, verdict);
        decided.with_context(|| format!("{dispute} cannot end as {verdict:?}"))
    }

    /// Starts a payout of a mere amount, as the schedule does: it has no lines. Returns its id.
    #[must_use]
    pub fn pay_out(&self, amount: i64, currency: &str) -> String {
        self.unasked().pay_out(amount, currency)
    }

    /// Takes a payout a step further.
    pub fn step_payout(&self, payout: &str, step: PayoutStep) -> Result<()> {
        let done = self.unasked().step_payout(payout, step);
        done.with_context(|| format!("{payout} cannot {step:?}"))
    }

    /// Switches charges and payouts of the account on or off.
    pub fn enable_charges(&self, enabled: bool) {
        self.unasked().enable(enabled);
    }

    /// All disputes as the API shows them, oldest first.
    #[must_use]
    pub fn disputes(&self) -> Vec<Value> {
        self.service.state().disputes.views()
    }

    fn open_dispute(&self, charge_or_intent: &str, reason: &str, inquiry: bool) -> Result<String> {
        let known = disputes::REASONS.into_iter().find(|known| *known == reason);
        let reason = known.with_context(|| format!("nobody complains of {reason}"))?;
        let mut state = self.unasked();
        let charge = state.charge_of(charge_or_intent).unwrap_or_default();
        let opened = state.open_dispute(&charge, reason, inquiry);
        opened.with_context(|| format!("{charge_or_intent} cannot be disputed"))
    }

    /// The state, for what no request asked for.
    pub(super) fn unasked(&self) -> MutexGuard<'_, State> {
        let mut state = self.service.state();
        state.origin = Origin::default();
        state
    }
}

/// Who was told.
impl PretendStripe {
    /// Tells one more endpoint from now on. Returns its id.
    #[expect(clippy::must_use_candidate, reason = "most endpoints are never changed")]
    pub fn add_endpoint(&self, endpoint: WebhookEndpoint) -> String {
        self.service.courier.serve(&mut self.service.state(), endpoint)
    }

    /// Changes an endpoint: its address, or its secrets while one is being rolled.
    pub fn change_endpoint(&self, id: &str, change: impl FnOnce(&mut WebhookEndpoint)) -> Result<()> {
        let state = self.service.state();
        let endpoint = state.endpoints.iter().find(|endpoint| endpoint.id() == id);
        change(
            &mut endpoint
                .with_context(|| format!("there is no endpoint {id}"))?
                .spec(),
        );
        Ok(())
    }

    /// All endpoints as the API shows them, newest first.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Value> {
        self.service.state().endpoint_views()
    }

    /// Turns an endpoint off, as Stripe does with one that fails for days.
    pub fn disable_endpoint(&self, id: &str) -> Result<()> {
        let state = self.service.state();
        let endpoint = state.endpoints.iter().find(|endpoint| endpoint.id() == id);
        endpoint
            .with_context(|| format!("there is no endpoint {id}"))?
            .shown()
            .disabled = true;
        Ok(())
    }

    /// Deletes an endpoint, as somebody does in the dashboard.
    pub fn delete_endpoint(&self, id: &str) -> Result<()> {
        let deleted = self.service.state().delete_endpoint(id);
        deleted.map_err(|error| anyhow!("{id} is not deleted: {}", error.message()))
    }

    /// Tells the endpoints for connected accounts of a change at another account of the platform.
    pub fn tell_of_account(&self, account: &str, kind: &'static str, object: &Value) {
        let state = self.unasked();
        drop(state.tell(Some(account.to_owned()), kind, object, None));
    }

    /// Changes how tidily events arrive.
    pub fn set_delivery(&self, plan: DeliveryPlan) {
        *self.service.courier.plan() = plan;
    }

    /// Holds all events back until [`release`](Self::release).
    pub fn hold(&self) {
        self.service.courier.hold(true);
    }

    /// Lets held events go.
    pub fn release(&self) {
        self.service.courier.hold(false);
    }

    /// How many times an event was posted to an endpoint, repeats included.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.service.courier.attempts()
    }

    /// How many of those were answered with 2xx.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.service.courier.acknowledged()
    }

    /// How many deliveries wait or were given up.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.service.courier.outstanding()
    }

    /// Waits until every event was acknowledged and nothing more comes by itself.
    pub async fn wait_until_delivered(&self, within: Duration) -> Result<()> {
        self.service
            .courier
            .wait(within, || !self.service.is_settling())
            .await
    }

    /// Sends an event once more to every endpoint that wants its type.
    pub fn resend(&self, event: &str) -> Result<()> {
        let state = self.service.state();
        let found = state
            .events
            .find(event)
            .with_context(|| format!("there is no event {event}"))?;
        self.service.courier.forget_given_up(found);
        for endpoint in state
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(found.kind, found.account.as_deref()))
        {
            endpoint.enqueue(Arc::clone(found));
        }
        Ok(())
    }
}
