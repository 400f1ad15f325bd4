//! `/v1/payments/{id}/…`: confirm, capture, cancel, give back.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Problem;
use super::extract::{Json, RequiredKey};
use super::new_payment::parse_ask;
use super::payments::payment_id;
use super::refusals::{InTheWay, Oversized, Unserved};
use super::respond::respond;
use super::view::{PaymentView, render};
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::payments::Change;
use crate::app::{App, Key, Keyed, payments};
use crate::domain::money::{Amount, Currency};
use crate::domain::operation::{Ask, OperationKind, Reason};
use crate::domain::payment::{MandateAcceptance, Reference};
use crate::domain::scope::Scope;

/// Which payment method to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmBody {
    /// A saved method (`pmt_…`), or what the provider's script in the browser made (`pm_…`, `ctoken_…`).
    payment_method: String,
    /// Where the customer returns to after 3-D Secure: an absolute http or https URL.
    return_url: Option<String>,
    /// Whether the customer is absent; by default where a method comes without a `return_url`.
    off_session: Option<bool>,
    /// When and from where the customer agreed to be debited, for direct debits.
    mandate: Option<MandateAcceptance>,
}

/// How much to take.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureBody {
    /// Whole minor units; all that is held where it is left out.
    #[schema(minimum = 1)]
    amount_minor: Option<i64>,
    /// ISO 4217; refused where it is not the payment's.
    currency: Option<String>,
    /// Whether what is left is let go, by default it is. `false` keeps it held, where the payment method allows that.
    #[serde(rename = "final")]
    is_final: Option<bool>,
    /// Odoo's own reference of the child transaction.
    reference: Option<String>,
}

/// Why to call it off.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    /// A word that cards' networks know.
    reason: Option<Reason>,
    /// Odoo's own reference of the child transaction.
    reference: Option<String>,
}

/// How much to give back, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundBody {
    /// Whole minor units; all that is left where it is left out.
    #[schema(minimum = 1)]
    amount_minor: Option<i64>,
    /// ISO 4217; refused where it is not the payment's.
    currency: Option<String>,
    /// A word that cards' networks know; not `abandoned`.
    reason: Option<Reason>,
    /// Odoo's own reference of the child transaction.
    reference: Option<String>,
}

/// A body that says what to change.
trait Parse {
    fn parse(self) -> Result<Change, Problem>;
}

impl Parse for ConfirmBody {
    fn parse(self) -> Result<Change, Problem> {
        let ask = parse_ask(
            Some(self.payment_method),
            self.return_url,
            self.off_session,
            self.mandate,
        )?;
        Ok(Change {
            kind: OperationKind::Confirm,
            amount_minor: None,
            currency: None,
            ask,
        })
    }
}

impl Parse for CaptureBody {
    fn parse(self) -> Result<Change, Problem> {
        Ok(Change {
            kind: OperationKind::Capture,
            amount_minor: parse_amount(self.amount_minor)?,
            currency: parse_currency(self.currency.as_deref())?,
            ask: Ask {
                is_final: self.is_final.unwrap_or(true),
                reference: parse_reference(self.reference)?,
                ..Ask::default()
            },
        })
    }
}

impl Parse for CancelBody {
    fn parse(self) -> Result<Change, Problem> {
        Ok(Change {
            kind: OperationKind::Cancel,
            amount_minor: None,
            currency: None,
            ask: Ask {
                reason: self.reason,
                reference: parse_reference(self.reference)?,
                ..Ask::default()
            },
        })
    }
}

impl Parse for RefundBody {
    fn parse(self) -> Result<Change, Problem> {
        if self.reason == Some(Reason::Abandoned) {
            let message = "must be duplicate, fraudulent or requested_by_customer";
            return Err(Problem::invalid("reason", "invalid_reason", message));
        }
        Ok(Change {
            kind: OperationKind::Refund,
            amount_minor: parse_amount(self.amount_minor)?,
            currency: parse_currency(self.currency.as_deref())?,
            ask: Ask {
                reason: self.reason,
                reference: parse_reference(self.reference)?,
                ..Ask::default()
            },
        })
    }
}

fn parse_amount(minor: Option<i64>) -> Result<Option<i64>, Problem> {
    match minor {
        Some(minor) if !(1..=Amount::MAX_MINOR).contains(&minor) => {
            let message = format!(
                "must be a whole number of minor units from 1 to {}",
                Amount::MAX_MINOR
            );
            Err(Problem::invalid("amount_minor", "invalid_amount", message))
        }
        minor => Ok(minor),
    }
}

fn parse_currency(code: Option<&str>) -> Result<Option<Currency>, Problem> {
    code.map(|code| {
        code.parse()
            .map_err(|error| Problem::invalid("currency", "unknown_currency", error))
    })
    .transpose()
}

fn parse_reference(text: Option<String>) -> Result<Option<String>, Problem> {
    text.map(|text| {
        Reference::parse(text)
            .map(|reference| reference.as_str().to_owned())
            .map_err(|error| Problem::invalid("reference", "invalid_reference", error))
    })
    .transpose()
}

macro_rules! operation {
    ($(#[$doc:meta])* $name:ident, $body:ty, $route:literal, $done:literal, $scope:literal, $wants:literal) => {
        $(#[$doc])*
        #[utoipa::path(
            tag = "payments",
            params(("id" = String, Path, description = "`pay_…`"),
                   ("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
            request_body = $body,
            responses(
                (status = $done, body = PaymentView, description = "decided: look at its state"),
                (status = 202, body = PaymentView, description = "not decided yet: repeat under the same key, or read it"),
                Unserved,
                InTheWay,
                Oversized
            ),
            security(("api_key" = [$scope]))
        )]
        #[post($route, wrap = $wants)]
        pub(super) async fn $name(
            app: web::Data<Arc<App>>,
            caller: Caller,
            key: RequiredKey,
            path: web::Path<String>,
            request: HttpRequest,
            json: Json<$body>,
        ) -> Result<HttpResponse, Problem> {
            let keyed = Keyed::new(Key::new(&caller, &key.0, json.fingerprint), render);
            let change = json.body.parse()?;
            let served = payments::change(&app, &caller, keyed, payment_id(&path)?, change).await?;
            Ok(respond(&request, served))
        }
    };
}

operation!(
    /// Tries a payment method on a payment that waits for one.
    confirm, ConfirmBody, "/v1/payments/{id}/confirm", 200,
    "payments:write", "Wants(Scope::PaymentsWrite)"
);
operation!(
    /// Takes what is held on a payment, or a part of it.
    capture, CaptureBody, "/v1/payments/{id}/capture", 200,
    "payments:capture", "Wants(Scope::PaymentsCapture)"
);
operation!(
    /// Calls a payment off: before it is paid, or letting go of what is held.
    cancel, CancelBody, "/v1/payments/{id}/cancel", 200,
    "payments:write", "Wants(Scope::PaymentsWrite)"
);
operation!(
    /// Gives back what was captured, or a part of it.
    refund, RefundBody, "/v1/payments/{id}/refunds", 201,
    "refunds:write", "Wants(Scope::RefundsWrite)"
);
