//! What happens to the account's money beside the API: payouts, rates, fees, and payments that nobody asked for here.

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::balance::{Extra, Fees, Rate};
use super::errors::ApiError;
use super::fields::Fields;
use super::payouts::{PayoutKind, PayoutStep};
use super::state::Row;
use super::{PretendStripe, form, payment_intents, refunds};

/// What Stripe, banks and people at the dashboard do.
impl PretendStripe {
    /// Starts a payout of all lines of a currency that were not paid out yet. Returns its id.
    pub fn pay_out_all(&self, currency: &str, kind: PayoutKind) -> Result<String> {
        let started = self.unasked().pay_out_all(currency, kind);
        started.with_context(|| format!("there is no {currency} to pay out"))
    }

    /// Lets a payout reach the bank, and tells that its lines are complete where Stripe knows them.
    pub fn land_payout(&self, payout: &str) -> Result<()> {
        self.step_payout(payout, PayoutStep::Arrive)?;
        let automatic = self
            .service
            .state()
            .payouts
            .find(payout)
            .map(|payout| payout.kind);
        match automatic {
            Some(PayoutKind::Automatic) => self.step_payout(payout, PayoutStep::Reconcile),
            Some(PayoutKind::Manual) | None => Ok(()),
        }
    }

    /// Lets the bank send a payout back, even after it arrived; its money is in the balance again.
    pub fn fail_payout(&self, payout: &str) -> Result<()> {
        self.step_payout(payout, PayoutStep::Fail)
    }

    /// Calls a payout off before it is sent; its money is in the balance again.
    pub fn cancel_payout(&self, payout: &str) -> Result<()> {
        self.step_payout(payout, PayoutStep::Cancel)
    }

    /// The lines that a payout took, its own included, oldest first; of a manual one too, which the API does not tell.
    #[must_use]
    pub fn lines_of(&self, payout: &str) -> Vec<Value> {
        let state = self.service.state();
        let lines = state.balance_transactions.rows().iter();
        lines
            .filter(|line| line.payout.as_deref() == Some(payout))
            .map(Row::view)
            .collect()
    }

    /// Writes lines and payouts as of a time from now on (seconds since 1970); as of the real one where there is none.
    /// Payments and events keep the real one.
    pub fn set_date(&self, date: Option<i64>) {
        self.unasked().terms.date = date;
    }

    /// Lets the money of payments, refunds and disputes in a currency arrive in another one from now on; as it is
    /// where there is no rate.
    pub fn settle_at(&self, currency: &str, rate: Option<Rate>) {
        let rates = &mut self.unasked().terms.rates;
        match rate {
            Some(rate) => drop(rates.insert(currency.to_owned(), rate)),
            None => drop(rates.remove(currency)),
        }
    }

    /// Takes tax and the platform's fee from payments from now on.
    pub fn set_fees(&self, fees: Fees) {
        self.unasked().terms.fees = fees;
    }

    /// Writes the ledger line of a payment that waits for it, named by its charge's id or its intent's.
    pub fn settle_charge(&self, charge_or_intent: &str) -> Result<()> {
        let mut state = self.unasked();
        let charge = state
            .charge_of(charge_or_intent)
            .with_context(|| format!("{charge_or_intent} has no charge"))?;
        state.settle_charge(&charge);
        drop(state);
        self.service.courier.progress();
        Ok(())
    }

    /// Writes a line that comes by itself, its amount signed as it changes the balance. Returns its id.
    #[expect(
        clippy::must_use_candidate,
        reason = "most lines are only read back through the API"
    )]
    pub fn write_line(&self, extra: Extra, amount: i64, currency: &str) -> String {
        self.unasked().write_extra(extra, amount, currency)
    }

    /// Takes a payment as somebody at the dashboard does: there is no metadata of ours. Returns its charge's id.
    pub fn pay_in_dashboard(&self, amount: i64, currency: &str) -> Result<String> {
        self.pay_elsewhere(amount, currency, "Taken+in+the+dashboard")
    }

    /// Takes a payment as another program does, with a description as it stands in a form. Returns its charge's id.
    pub fn pay_elsewhere(&self, amount: i64, currency: &str, description: &str) -> Result<String> {
        let form = format!(
            "amount={amount}&currency={currency}&payment_method=pm_card_visa&payment_method_types[]=card\
             &confirm=true&capture_method=automatic&description={description}"
        );
        let mut state = self.unasked();
        let intent = payment_intents::create(&mut state, fields(&form)?).map_err(refused)?;
        let charge = intent["latest_charge"].as_str().context("nothing was charged")?;
        Ok(charge.to_owned())
    }

    /// Gives money back as somebody at the dashboard does. Returns the refund's id.
    pub fn refund_in_dashboard(&self, charge: &str, amount: i64) -> Result<String> {
        let form = format!("charge={charge}&amount={amount}");
        let mut state = self.unasked();
        let refund = refunds::create(&mut state, fields(&form)?).map_err(refused)?;
        Ok(refund["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Tells that the lines of a volume's payout are complete.
    pub fn tell_volume_payout(&self, payout: i64) -> Result<()> {
        let archive = self.service.archive.as_ref().context("there is no volume")?;
        let view = archive.payout(payout);
        self.unasked()
            .emit("payout.reconciliation_completed", &view, None);
        Ok(())
    }

    /// Ends a dispute as lost, though a part of its amount comes back.
    pub fn lose_dispute_in_part(&self, dispute: &str, returned: i64) -> Result<()> {
        let lost = self.unasked().lose_in_part(dispute, returned);
        lost.with_context(|| format!("{dispute} cannot be lost but for {returned}"))
    }
}

fn fields(encoded: &str) -> Result<Fields> {
    let params = form::parse(encoded.as_bytes()).map_err(|error| anyhow!(error))?;
    Ok(Fields::new(params))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn refused(error: ApiError) -> anyhow::Error {
    anyhow!("refused: {}", error.message())
}
