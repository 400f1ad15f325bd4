//! `payment_method_options`, as far as they change something here.

use serde_json::{Value, json};

use super::super::fields::{Checked, Fields};

/// What a merchant asks of each kind of method.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MethodOptions {
    request_multicapture: Option<&'static str>,
}

impl MethodOptions {
    /// Takes what a create, an update or a confirmation may set. The rest changes nothing that is shown.
    pub(super) fn take(&mut self, fields: &mut Fields) -> Checked<()> {
        let Some(mut options) = fields.section("payment_method_options")? else {
            return Ok(());
        };
        let Some(mut card) = options.section("card")? else {
            return Ok(());
        };
        if let Some(word) = card.choice("request_multicapture", &["if_available", "never"])? {
            self.request_multicapture = Some(word);
        }
        Ok(())
    }

    /// Whether more than one capture was asked for.
    pub(crate) fn multicapture(self) -> bool {
        self.request_multicapture == Some("if_available")
    }

    /// What an intent shows of them.
    pub(super) fn view(self) -> Value {
        let mut card = json!({
            "installments": null,
            "mandate_options": null,
            "network": null,
            "request_three_d_secure": "automatic",
        });
        if let Some(word) = self.request_multicapture {
            card["request_multicapture"] = word.into();
        }
        json!({ "card": card })
    }
}
