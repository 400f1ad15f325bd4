//! The account itself: what it may do.

use serde_json::{Value, json};

use super::fields::{Checked, Fields};
use super::state::State;

/// What an account may do.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    charges_enabled: bool,
    currently_due: Vec<&'static str>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            charges_enabled: true,
            currently_due: Vec::new(),
        }
    }
}

impl Account {
    fn view(&self, id: &str) -> Value {
        let disabled = (!self.charges_enabled).then_some("requirements.past_due");
        json!({
            "id": id,
            "object": "account",
            "business_type": "company",
            "capabilities": { "card_payments": "active", "transfers": "active" },
            "charges_enabled": self.charges_enabled,
            "country": "DE",
            "default_currency": "eur",
            "details_submitted": true,
            "email": "owner@example.com",
            "metadata": {},
            "payouts_enabled": self.charges_enabled,
            "requirements": {
                "currently_due": self.currently_due,
                "disabled_reason": disabled,
                "errors": [],
                "eventually_due": self.currently_due,
                "past_due": [],
                "pending_verification": [],
            },
            "type": "standard",
        })
    }
}

impl State {
    /// Switches charges and payouts of the account on or off.
    pub(crate) fn enable(&mut self, enabled: bool) {
        self.account = Account {
            charges_enabled: enabled,
            currently_due: if enabled {
                Vec::new()
            } else {
                vec!["external_account", "representative.dob.day"]
            },
        };
        let view = self.account.view(&self.settings.account_id);
        self.emit("account.updated", &view, None);
    }
}

/// `GET /v1/account`
pub(crate) fn retrieve(state: &State, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.account.view(&state.settings.account_id))
}
