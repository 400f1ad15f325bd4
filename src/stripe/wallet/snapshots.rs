//! From Stripe's objects of the wallet to ours.

use super::super::objects::{Expandable, Metadata};
use super::super::snapshots::{Fields, Unreadable};
use super::objects::{Customer, Mandate, PaymentMethod, SetupIntent};
use crate::domain::payment::Decline;
use crate::domain::payment_method::{MandateState, MethodFace};
use crate::domain::setup::SetupState;
use crate::domain::snapshot::{
    CustomerSnapshot, MandateSnapshot, PaymentMethodSnapshot, Said, SetupSnapshot,
};

impl From<Customer> for CustomerSnapshot {
    fn from(customer: Customer) -> Self {
        Self {
            customer: customer.metadata.as_ref().and_then(Metadata::customer),
            provider_reference: customer.id,
        }
    }
}

impl TryFrom<PaymentMethod> for PaymentMethodSnapshot {
    type Error = Unreadable;

    fn try_from(method: PaymentMethod) -> Result<Self, Unreadable> {
        let details = method.card.or(method.sepa_debit).or(method.us_bank_account);
        let mut face = MethodFace {
            kind: Fields("payment_method").need(method.kind, "type")?,
            brand: None,
            last4: None,
            exp_month: None,
            exp_year: None,
            bank_code: None,
            country: None,
        };
        if let Some(details) = details {
            face = MethodFace {
                kind: face.kind,
                brand: details.brand,
                last4: details.last4,
                exp_month: details.exp_month,
                exp_year: details.exp_year,
                bank_code: details.bank_code,
                country: details.country,
            };
        }
        Ok(Self {
            provider_reference: method.id,
            customer_reference: method.customer.map(Expandable::into_id),
            face,
            mandate: None,
        })
    }
}

impl TryFrom<Mandate> for MandateSnapshot {
    type Error = Unreadable;

    fn try_from(mandate: Mandate) -> Result<Self, Unreadable> {
        let word = Fields("mandate").need(mandate.status, "status")?;
        let sepa = mandate
            .payment_method_details
            .and_then(|details| details.sepa_debit);
        let (reference, url) = sepa.map_or((None, None), |sepa| (sepa.reference, sepa.url));
        Ok(Self {
            provider_reference: mandate.id,
            method_reference: mandate.payment_method.map(Expandable::into_id),
            reference,
            url: url.filter(|url| !url.is_empty()),
            state: match word.as_str() {
                "active" => Said::Known(MandateState::Active),
                "pending" => Said::Known(MandateState::Pending),
                "inactive" => Said::Known(MandateState::Inactive),
                _ => Said::Unrecognized(word),
            },
        })
    }
}

impl TryFrom<SetupIntent> for SetupSnapshot {
    type Error = Unreadable;

    fn try_from(intent: SetupIntent) -> Result<Self, Unreadable> {
        let mandate = intent
            .mandate
            .and_then(Expandable::into_whole)
            .map(MandateSnapshot::try_from)
            .transpose()?;
        let method = intent
            .payment_method
            .and_then(Expandable::into_whole)
            .map(PaymentMethodSnapshot::try_from)
            .transpose()?;
        Ok(Self {
            provider_reference: intent.id,
            setup: intent.metadata.as_ref().and_then(Metadata::setup),
            state: setup_state(Fields("setup_intent").need(intent.status, "status")?),
            client_secret: intent.client_secret,
            next_action: intent.next_action,
            decline: intent.last_setup_error.map(|error| Decline::from(*error)),
            method: method.map(|method| PaymentMethodSnapshot { mandate, ..method }),
        })
    }
}

fn setup_state(word: String) -> Said<SetupState> {
    Said::Known(match word.as_str() {
        "requires_payment_method" | "requires_confirmation" => SetupState::Created,
        "requires_action" => SetupState::RequiresAction,
        "processing" => SetupState::Processing,
        "succeeded" => SetupState::Succeeded,
        "canceled" => SetupState::Canceled,
        _ => return Said::Unrecognized(word),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use serde_json::{Value, json};

    use super::*;

    fn read(intent: &Value) -> Result<SetupSnapshot, Unreadable> {
        serde_json::from_value::<SetupIntent>(intent.clone())
            .unwrap()
            .try_into()
    }

    #[test]
    fn every_word_for_a_setups_state_is_read_and_a_new_one_is_kept() {
        for (word, state) in [
            ("requires_payment_method", SetupState::Created),
            ("requires_confirmation", SetupState::Created),
            ("requires_action", SetupState::RequiresAction),
            ("processing", SetupState::Processing),
            ("succeeded", SetupState::Succeeded),
            ("canceled", SetupState::Canceled),
        ] {
            let said = read(&json!({ "id": "seti_1", "status": word })).unwrap();
            assert_eq!(said.state, Said::Known(state), "{word}");
        }
        let said = read(&json!({ "id": "seti_1", "status": "requires_luck" })).unwrap();
        assert_eq!(said.state, Said::Unrecognized("requires_luck".to_owned()));
        let missing = read(&json!({ "id": "seti_1" })).unwrap_err();
        assert_eq!(missing.to_string(), "setup_intent has no readable status");
    }

    #[test]
    fn a_method_of_any_kind_is_read_with_its_mandate_and_without_its_holder() {
        let said = read(&json!({
            "id": "seti_1", "status": "succeeded",
            "payment_method": {
                "id": "pm_1", "customer": "cus_1", "type": "sepa_debit", "billing_details": { "email": "ada@shop.example" },
                "sepa_debit": { "last4": "3201", "bank_code": "19043", "country": "AT", "fingerprint": "x" },
            },
            "mandate": {
                "id": "mandate_1", "status": "active", "payment_method": "pm_1",
                "payment_method_details": { "type": "sepa_debit", "sepa_debit": { "reference": "R1", "url": "" } },
            },
        }))
        .unwrap();
        let method = said.method.unwrap();
        let mandate = method.mandate.unwrap();
        assert_eq!(method.face.last4.as_deref(), Some("3201"));
        assert_eq!((mandate.reference.as_deref(), mandate.url), (Some("R1"), None));

        let tomorrow =
            json!({ "id": "pm_2", "type": "kind_of_tomorrow", "kind_of_tomorrow": { "last4": 1 } });
        let method: PaymentMethodSnapshot = serde_json::from_value::<PaymentMethod>(tomorrow)
            .unwrap()
            .try_into()
            .unwrap();
        assert_eq!(
            (method.face.kind.as_str(), method.face.last4),
            ("kind_of_tomorrow", None)
        );
    }
}
