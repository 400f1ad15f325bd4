//! Mandates: a customer's word that their account may be debited.

use serde_json::{Value, json};

use super::askers::Asker;
use super::cards::Rail;
use super::errors::ApiError;
use super::fields::{Checked, Fields};
use super::state::{Row, State, new_id, now, token};

/// What a mandate allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// One payment of so much.
    Once { amount: i64, currency: String },
    /// Any payments.
    ManyTimes,
}

/// One customer's word.
#[derive(Clone, Debug)]
pub(crate) struct Mandate {
    id: String,
    payment_method: String,
    /// How the customer agreed, as the API shows it.
    acceptance: Value,
    extent: Extent,
    reference: String,
    active: bool,
}

/// What a payment rests on where it needs a mandate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consent {
    /// How the customer agreed just now.
    pub(crate) acceptance: Option<Value>,
    /// The mandate that the merchant names.
    pub(crate) mandate: Option<String>,
}

impl Row for Mandate {
    const KIND: &'static str = "mandate";
    const PARAM: &'static str = "mandate";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        let (kind, details) = match &self.extent {
            Extent::Once { amount, currency } => {
                ("single_use", json!({ "amount": amount, "currency": currency }))
            }
            Extent::ManyTimes => ("multi_use", json!({})),
        };
        let mut view = json!({
            "id": self.id,
            "object": "mandate",
            "customer_acceptance": self.acceptance,
            "livemode": false,
            "payment_method": self.payment_method,
            "payment_method_details": {
                "sepa_debit": {
                    "reference": self.reference,
                    "url": format!("https://hooks.stripe.com/adapter/sepa_debit/file/{}", self.id),
                },
                "type": "sepa_debit",
            },
            "status": if self.active { "active" } else { "inactive" },
            "type": kind,
        });
        view[kind] = details;
        view
    }
}

impl Consent {
    /// Takes `mandate_data` and `mandate`. For a browser, Stripe itself sees how its customer agrees.
    pub(crate) fn take(fields: &mut Fields, asker: Asker) -> Checked<Self> {
        let given = take_acceptance(fields, asker)?;
        Ok(Self {
            acceptance: given.or_else(|| (asker == Asker::Browser).then(on_page)),
            mandate: fields.text("mandate")?.filter(|id| !id.is_empty()),
        })
    }

    /// What a customer gives on a page of Stripe's.
    pub(crate) fn on_page() -> Self {
        Self {
            acceptance: Some(on_page()),
            mandate: None,
        }
    }
}

fn on_page() -> Value {
    online("127.0.0.1", "sandbox shopper", now())
}

fn online(ip_address: &str, user_agent: &str, accepted_at: i64) -> Value {
    json!({
        "accepted_at": accepted_at,
        "online": { "ip_address": ip_address, "user_agent": user_agent },
        "type": "online",
    })
}

fn take_acceptance(fields: &mut Fields, asker: Asker) -> Checked<Option<Value>> {
    let Some(mut data) = fields.section("mandate_data")? else {
        return Ok(None);
    };
    let name = "customer_acceptance";
    let mut acceptance = data.section(name)?.ok_or_else(|| data.absent(name))?;
    data.finish()?;
    let kind = acceptance
        .choice("type", &["online", "offline"])?
        .ok_or_else(|| acceptance.absent("type"))?;
    let accepted_at = acceptance.integer("accepted_at")?.unwrap_or_else(now);
    let inside = acceptance.section(kind)?;
    acceptance.ignore(&["offline"]);
    let accepted = if kind == "online" {
        let mut inside = inside.ok_or_else(|| acceptance.absent("online"))?;
        let inferred = asker == Asker::Browser && inside.boolean("infer_from_client")? == Some(true);
        let accepted = if inferred {
            on_page()
        } else {
            let ip_address = inside.required("ip_address")?;
            online(&ip_address, &inside.required("user_agent")?, accepted_at)
        };
        inside.finish()?;
        accepted
    } else {
        json!({ "accepted_at": accepted_at, "offline": {}, "type": "offline" })
    };
    acceptance.finish()?;
    Ok(Some(accepted))
}

impl State {
    /// Refuses a debit that no mandate would cover. `saving` says whether the account is to be used again.
    pub(crate) fn check_mandate(&self, method: &str, consent: &Consent, saving: bool) -> Checked<()> {
        if !self.needs_mandate(method) || consent.acceptance.is_some() {
            return Ok(());
        }
        if saving {
            let message =
                "`mandate_data` is required when a `sepa_debit` PaymentMethod is confirmed to be used again.";
            return Err(ApiError::invalid(message)
                .code("parameter_missing")
                .param("mandate_data"));
        }
        match &consent.mandate {
            Some(id) => {
                self.mandates.check(id, "mandate")?;
                let usable = self.mandates.find(id).is_some_and(|mandate| mandate.covers(method));
                usable.then_some(()).ok_or_else(|| {
                    let message = format!("The mandate {id} is not active for the PaymentMethod {method}.");
                    ApiError::invalid(message)
                        .code("payment_intent_mandate_invalid")
                        .param("mandate")
                })
            }
            None => self.standing_mandate(method).map(|_| ()).ok_or_else(|| {
                let message = format!(
                    "The PaymentMethod {method} has no active mandate: `mandate_data` is required to confirm with it."
                );
                ApiError::invalid(message)
                    .code("parameter_missing")
                    .param("mandate_data")
            }),
        }
    }

    /// The mandate that a debit goes by: a new one from what the customer agreed to, or the one that stands.
    pub(crate) fn mandate_of(&mut self, method: &str, consent: &Consent, extent: Extent) -> Option<String> {
        if !self.needs_mandate(method) {
            return None;
        }
        let Some(acceptance) = consent.acceptance.clone() else {
            return consent.mandate.clone().or_else(|| self.standing_mandate(method));
        };
        let mandate = Mandate {
            id: new_id("mandate"),
            payment_method: method.to_owned(),
            acceptance,
            extent,
            reference: token().chars().rev().take(16).collect::<String>().to_uppercase(),
            active: true,
        };
        let id = mandate.id.clone();
        self.mandates.insert(mandate);
        Some(id)
    }

    /// A mandate for one payment is over with it.
    pub(crate) fn mandate_used(&mut self, id: &str) {
        if self
            .mandates
            .find(id)
            .is_some_and(|mandate| mandate.extent != Extent::ManyTimes)
        {
            self.end_mandate(id);
        }
    }

    /// Nothing may be debited any more from an account that its customer took back.
    pub(crate) fn end_mandates(&mut self, method: &str) {
        let of_method = |mandate: &&Mandate| mandate.active && mandate.payment_method == method;
        let ids: Vec<_> = self
            .mandates
            .rows()
            .iter()
            .filter(of_method)
            .map(|mandate| mandate.id.clone())
            .collect();
        for id in ids {
            self.end_mandate(&id);
        }
    }

    fn end_mandate(&mut self, id: &str) {
        if let Some(mandate) = self.mandates.find_mut(id) {
            mandate.active = false;
            let view = mandate.view();
            self.emit("mandate.updated", &view, Some(json!({ "status": "active" })));
        }
    }

    fn needs_mandate(&self, method: &str) -> bool {
        let method = self.payment_methods.find(method);
        method.is_some_and(|method| method.card.rail == Rail::SepaDebit)
    }

    fn standing_mandate(&self, method: &str) -> Option<String> {
        let mut newest = self.mandates.rows().iter().rev();
        let found = newest.find(|mandate| mandate.covers(method));
        found.map(|mandate| mandate.id.clone())
    }
}

impl Mandate {
    fn covers(&self, method: &str) -> bool {
        self.active && self.payment_method == method
    }
}

/// `GET /v1/mandates/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.mandates.get(id)?.view())
}
