//! What Stripe shows of a card or an account.

use serde_json::{Value, json};

use super::super::cards::{Card, Rail};
use super::super::fields::{Checked, Fields};

/// What a payment method shows under its type.
pub(super) fn of_method(card: Card) -> Value {
    match card.rail {
        Rail::Card => json!({
            "brand": card.brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 8,
            "exp_year": 2030,
            "fingerprint": fingerprint(card),
            "funding": "credit",
            "generated_from": null,
            "last4": card.last4,
            "networks": { "available": [card.brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        }),
        Rail::UsBankAccount => json!({
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": card.brand,
            "financial_connections_account": null,
            "fingerprint": fingerprint(card),
            "last4": card.last4,
            "networks": { "preferred": "ach", "supported": ["ach"] },
            "routing_number": "110000000",
            "status_details": {},
        }),
        Rail::SepaDebit => {
            let mut details = iban_details(card);
            details["generated_from"] = json!({ "charge": null, "setup_attempt": null });
            details
        }
    }
}

/// What a method and a charge show alike of an IBAN; the test numbers are all of one Austrian bank.
pub(crate) fn iban_details(card: Card) -> Value {
    json!({
        "bank_code": "19043",
        "branch_code": "",
        "country": "AT",
        "fingerprint": fingerprint(card),
        "last4": card.last4,
    })
}

/// The same for each use of the same card.
pub(crate) fn fingerprint(card: Card) -> String {
    format!("Quittance{}{}", &card.brand[..3], card.last4)
}

/// Who pays, where nobody said.
pub(crate) fn nobody() -> Value {
    json!({
        "address": {
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        },
        "email": null,
        "name": null,
        "phone": null,
        "tax_id": null,
    })
}

/// Whom the static test accounts belong to.
pub(super) fn account_holder() -> Value {
    let mut holder = nobody();
    holder["name"] = "Jenny Rosen".into();
    holder["email"] = "jenny@example.com".into();
    holder
}

/// Enters `billing_details[…]` into what is known of who pays.
pub(super) fn take_billing(fields: &mut Fields, billing: &mut Value) -> Checked<()> {
    let Some(mut given) = fields.section("billing_details")? else {
        return Ok(());
    };
    for name in ["name", "email", "phone", "tax_id"] {
        enter(&mut given, name, billing)?;
    }
    if let Some(mut address) = given.section("address")? {
        for name in ["city", "country", "line1", "line2", "postal_code", "state"] {
            enter(&mut address, name, &mut billing["address"])?;
        }
        address.finish()?;
    }
    given.finish()
}

fn enter(fields: &mut Fields, name: &str, target: &mut Value) -> Checked<()> {
    if let Some(text) = fields.text(name)? {
        target[name] = Some(text).filter(|text| !text.is_empty()).into();
    }
    Ok(())
}
