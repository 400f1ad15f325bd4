//! Charges: attempts to move money, good and bad.

use serde_json::{Value, json};

use super::balance::LineKind;
use super::cards::{Card, Decline, Rail};
use super::fields::{Checked, Fields, Metadata};
use super::lists::Page;
use super::payment_intents::{CaptureMethod, PaymentIntent};
use super::payment_methods::{fingerprint, iban_details};
use super::state::{Later, Row, State, new_id, now};

/// How far a charge has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The bank has not answered yet.
    Pending,
    /// The bank agreed.
    Succeeded,
    /// The bank refused.
    Failed(Decline),
}

impl Progress {
    const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
        }
    }
}

/// One attempt to move money.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) id: String,
    created: i64,
    pub(crate) amount: i64,
    pub(crate) amount_captured: i64,
    pub(crate) amount_refunded: i64,
    /// Whether nothing more will be captured.
    pub(crate) captured: bool,
    /// The dispute about it.
    pub(crate) dispute: Option<String>,
    /// How often money was taken.
    pub(crate) captures: usize,
    /// Whether it may be taken several times.
    pub(crate) multicapture: bool,
    pub(crate) currency: String,
    progress: Progress,
    pub(crate) balance_transaction: Option<String>,
    pub(crate) payment_intent: String,
    payment_method: String,
    pub(crate) card: Card,
    /// Who pays, as the payment method shows it.
    billing: Value,
    pub(crate) mandate: Option<String>,
    /// Whether the customer confirmed it with the bank.
    authenticated: bool,
    customer: Option<String>,
    description: Option<String>,
    metadata: Metadata,
    receipt_email: Option<String>,
    shipping: Option<Value>,
    statement_descriptor_suffix: Option<String>,
}

impl Charge {
    /// Whether the bank said yes.
    pub(crate) fn paid(&self) -> bool {
        self.progress == Progress::Succeeded
    }

    fn failure(&self) -> Option<Decline> {
        match self.progress {
            Progress::Failed(decline) => Some(decline),
            Progress::Pending | Progress::Succeeded => None,
        }
    }

    /// What may still be refunded.
    pub(crate) fn refundable(&self) -> i64 {
        let whole = if self.multicapture && self.captures > 0 {
            self.amount_captured
        } else {
            self.amount
        };
        whole - self.amount_refunded
    }

    /// Whether all of it was given back, and nothing more can be taken.
    pub(crate) fn refunded(&self) -> bool {
        self.paid() && (self.captured || self.captures == 0) && self.refundable() == 0
    }

    /// The name of its ledger line.
    pub(crate) fn description(&self) -> Option<String> {
        self.description.clone()
    }

    /// What stands on the bank statement.
    fn descriptor(&self) -> String {
        let whole = match &self.statement_descriptor_suffix {
            Some(suffix) => format!("SANDBOX* {suffix}"),
            None => "SANDBOX".to_owned(),
        };
        whole.chars().take(22).collect()
    }

    fn outcome(&self) -> Value {
        match self.failure() {
            None => json!({
                "advice_code": null,
                "network_advice_code": null,
                "network_decline_code": null,
                "network_status": "approved_by_network",
                "reason": null,
                "seller_message": "Payment complete.",
                "type": "authorized",
            }),
            Some(decline) => json!({
                "advice_code": "try_again_later",
                "network_advice_code": "02",
                "network_decline_code": "05",
                "network_status": "declined_by_network",
                "reason": decline.reason.unwrap_or(decline.code),
                "seller_message": "The bank did not return any further details with this decline.",
                "type": "issuer_declined",
            }),
        }
    }

    fn method_details(&self) -> Value {
        match self.card.rail {
            Rail::Card => json!({ "card": self.card_details(), "type": "card" }),
            Rail::UsBankAccount => json!({
                "type": "us_bank_account",
                "us_bank_account": {
                    "account_holder_type": "individual",
                    "account_type": "checking",
                    "bank_name": self.card.brand,
                    "fingerprint": fingerprint(self.card),
                    "last4": self.card.last4,
                    "mandate": null,
                    "payment_reference": null,
                    "routing_number": "110000000",
                },
            }),
            Rail::SepaDebit => {
                let mut details = iban_details(self.card);
                details["mandate"] = self.mandate.clone().into();
                json!({ "sepa_debit": details, "type": "sepa_debit" })
            }
        }
    }

    fn card_details(&self) -> Value {
        let unavailable = json!({ "status": "unavailable" });
        let three_d_secure = self.authenticated.then(|| {
            json!({
                "authentication_flow": "challenge",
                "electronic_commerce_indicator": "05",
                "exemption_indicator": null,
                "result": "authenticated",
                "result_reason": null,
                "transaction_id": "4d20e7ec-a21c-4d87-9e2a-f5e0a9c8b3a1",
                "version": "2.2.0",
            })
        });
        json!({
            "amount_authorized": self.paid().then_some(self.amount),
            "authorization_code": self.paid().then_some("123456"),
            "brand": self.card.brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US",
            "exp_month": 8,
            "exp_year": 2030,
            "extended_authorization": { "status": "disabled" },
            "fingerprint": fingerprint(self.card),
            "funding": "credit",
            "incremental_authorization": unavailable,
            "installments": null,
            "last4": self.card.last4,
            "mandate": null,
            "multicapture": { "status": if self.multicapture { "available" } else { "unavailable" } },
            "network": self.card.brand,
            "network_token": { "used": false },
            "network_transaction_id": null,
            "overcapture": { "maximum_amount_capturable": self.amount, "status": "unavailable" },
            "regulated_status": "unregulated",
            "three_d_secure": three_d_secure,
            "transaction_link_id": null,
            "wallet": null,
        })
    }
}

impl Row for Charge {
    const KIND: &'static str = "charge";
    const PARAM: &'static str = "id";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount_captured,
            "amount_refunded": self.amount_refunded,
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "balance_transaction": self.balance_transaction,
            "billing_details": self.billing,
            "calculated_statement_descriptor": self.descriptor(),
            "captured": self.captured,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "disputed": self.dispute.is_some(),
            "failure_balance_transaction": null,
            "failure_code": self.failure().map(|decline| decline.code),
            "failure_message": self.failure().map(|decline| decline.message),
            "fraud_details": {},
            "livemode": false,
            "metadata": self.metadata,
            "on_behalf_of": null,
            "outcome": self.outcome(),
            "paid": self.paid(),
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method,
            "payment_method_details": self.method_details(),
            "receipt_email": self.receipt_email,
            "receipt_number": null,
            "receipt_url": self.paid().then(|| format!("https://pay.stripe.com/receipts/payment/{}", self.id)),
            "refunded": self.refunded(),
            "review": null,
            "shipping": self.shipping,
            "source": null,
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": self.statement_descriptor_suffix,
            "status": self.progress.word(),
            "transfer_data": null,
            "transfer_group": null,
        })
    }
}

impl State {
    /// The charge that an id names, its own or its intent's.
    pub(crate) fn charge_of(&self, charge_or_intent: &str) -> Option<String> {
        match self.payment_intents.find(charge_or_intent) {
            Some(intent) => intent.latest_charge.clone(),
            None => self
                .charges
                .find(charge_or_intent)
                .map(|charge| charge.id.clone()),
        }
    }

    /// Makes the charge of an attempt, captured at once unless the intent says "manual". Returns its id.
    pub(crate) fn make_charge(
        &mut self,
        intent: &PaymentIntent,
        (payment_method, card): (String, Card),
        progress: Progress,
        authenticated: bool,
    ) -> String {
        let id = new_id("ch");
        let captured = progress == Progress::Succeeded && intent.capture_method != CaptureMethod::Manual;
        self.charges.insert(Charge {
            id: id.clone(),
            created: now(),
            amount: intent.amount,
            amount_captured: if captured { intent.amount } else { 0 },
            amount_refunded: 0,
            captured,
            dispute: None,
            captures: usize::from(captured),
            multicapture: intent.method_options.multicapture()
                && card.multicapture
                && card.rail == Rail::Card,
            currency: intent.currency.clone(),
            progress,
            balance_transaction: None,
            payment_intent: intent.id.clone(),
            billing: self
                .payment_methods
                .find(&payment_method)
                .map(|method| method.billing.clone())
                .unwrap_or_default(),
            mandate: None,
            payment_method,
            card,
            authenticated,
            customer: intent.customer.clone(),
            description: intent.description.clone(),
            metadata: intent.metadata.clone(),
            receipt_email: intent.receipt_email.clone(),
            shipping: intent.shipping.clone(),
            statement_descriptor_suffix: intent.statement_descriptor_suffix.clone(),
        });
        match intent.capture_method {
            _ if !captured => {}
            CaptureMethod::AutomaticAsync => self.later(Later::SettleCharge(id.clone())),
            CaptureMethod::Automatic | CaptureMethod::Manual => self.book_charge(&id),
        }
        id
    }

    /// Writes the ledger line of what was captured.
    pub(crate) fn book_charge(&mut self, id: &str) {
        if let Some(charge) = self
            .charges
            .find(id)
            .filter(|charge| charge.balance_transaction.is_none())
        {
            self.book_capture(id, charge.amount_captured);
        }
    }

    /// Writes the ledger line of one capture; the charge shows that of its first.
    pub(crate) fn book_capture(&mut self, id: &str, amount: i64) {
        let Some(charge) = self.charges.find(id).cloned() else {
            return;
        };
        let line = self.book(
            LineKind::of_charge(charge.card.rail),
            amount,
            &charge.currency,
            Some(&charge.id),
            charge.description(),
        );
        if charge.balance_transaction.is_none() && charge.card.grievance.is_some() {
            self.later(Later::OpenDispute(charge.id));
        }
        if let Some(charge) = self.charges.find_mut(id) {
            charge.balance_transaction.get_or_insert(line);
        }
    }

    /// Enters the bank's late answer on a pending charge.
    pub(crate) fn end_charge(&mut self, id: &str, progress: Progress) {
        if let Some(charge) = self.charges.find_mut(id) {
            charge.progress = progress;
            if progress == Progress::Succeeded {
                charge.amount_captured = charge.amount;
                (charge.captured, charge.captures) = (true, 1);
                self.book_charge(id);
            }
        }
    }

    /// The later half of an asynchronous capture.
    pub(crate) fn settle_charge(&mut self, id: &str) {
        if self
            .charges
            .find(id)
            .is_none_or(|charge| charge.balance_transaction.is_some())
        {
            return;
        }
        self.book_charge(id);
        self.emit_charge("charge.updated", id, Some(json!({ "balance_transaction": null })));
    }

    /// Tells of a charge as it is now.
    pub(crate) fn emit_charge(&mut self, kind: &'static str, id: &str, previous: Option<Value>) {
        if let Some(view) = self.charges.view(id) {
            self.emit(kind, &view, previous);
        }
    }
}

/// `GET /v1/charges/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.charges.get(id)?.view())
}

/// `GET /v1/charges`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let intent = fields.text("payment_intent")?;
    let customer = fields.text("customer")?;
    fields.finish()?;
    page.of(&state.charges, "/v1/charges", |charge| {
        created.contains(charge.created)
            && intent
                .as_deref()
                .is_none_or(|intent| intent == charge.payment_intent)
            && (customer.is_none() || charge.customer == customer)
    })
}
