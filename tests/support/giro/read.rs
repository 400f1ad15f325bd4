//! The company's words in ours.

use quittance::domain::balance_transaction::BalanceTransaction;
use quittance::domain::money::{Currency, Money};
use quittance::domain::payment::{Decline, PaymentState};
use quittance::domain::refund::RefundState;
use quittance::domain::snapshot::{ChargeSnapshot, PaymentSnapshot, RefundSnapshot, Said};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A transfer as the company shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Transfer {
    #[serde(rename = "ref")]
    pub(super) reference: String,
    /// What we wrote on it: our payment's id.
    pub(super) note: String,
    pub(super) status: String,
    pub(super) returns: Vec<Return>,
    amount: String,
    ccy: String,
    why: Option<String>,
    booked: Vec<Line>,
    opened: String,
}

/// Money on its way back.
#[derive(Debug, Deserialize)]
pub(super) struct Return {
    pub(super) instruction: String,
    #[serde(rename = "ref")]
    reference: String,
    amount: String,
    status: String,
    on: String,
}

#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "line")]
    id: String,
    of: String,
    gross: String,
    fee: String,
    on: String,
}

/// Decimal text as minor units; none where that is not exact.
pub(super) fn minor(text: &str, currency: Currency) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let exponent = usize::try_from(currency.exponent()).ok()?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = fraction.len() <= exponent && digits(fraction) && digits(whole.trim_start_matches('-'));
    let padded = format!("{whole}{fraction:0<exponent$}");
    fits.then(|| padded.parse().ok())?
}

pub(super) fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()?
        .replace_nanosecond(0)
        .ok()
}

impl Transfer {
    fn currency(&self) -> Option<Currency> {
        self.ccy.parse().ok()
    }

    /// The transfer in our words; none where something of it cannot be read.
    pub(super) fn said(&self) -> Option<PaymentSnapshot> {
        let currency = self.currency()?;
        let amount = Money::new(minor(&self.amount, currency)?, currency);
        let is = |status: &str| self.status == status;
        let all_if = |is_so: bool| if is_so { amount.minor } else { 0 };
        Some(PaymentSnapshot {
            provider_reference: self.reference.clone(),
            state: match self.status.as_str() {
                "waiting" => Said::Known(PaymentState::Processing),
                "held" => Said::Known(PaymentState::Authorized),
                "paid" => Said::Known(PaymentState::Captured),
                "rejected" | "withdrawn" => Said::Known(PaymentState::Canceled),
                word => Said::Unrecognized(word.to_owned()),
            },
            amount,
            capturable_minor: all_if(is("held")),
            captured_minor: all_if(is("paid")),
            client_secret: None,
            next_action: None,
            decline: self.why.as_ref().map(|code| Decline {
                code: code.clone(),
                message: "The bank returned it.".to_owned(),
            }),
            payment_method: None,
            charge: if is("paid") {
                Some(self.charge(currency)?)
            } else {
                None
            },
        })
    }

    fn charge(&self, currency: Currency) -> Option<ChargeSnapshot> {
        let line = |line: &Line| {
            let gross = Money::new(minor(&line.gross, currency)?, currency);
            Some(BalanceTransaction::plain(
                line.id.clone(),
                line.of.clone(),
                Some(self.reference.clone()),
                (gross, minor(&line.fee, currency)?),
                moment(&line.on)?,
            ))
        };
        Some(ChargeSnapshot {
            id: self.reference.clone(),
            created: moment(&self.opened)?,
            balance_transactions: self.booked.iter().map(line).collect::<Option<_>>()?,
            refunds: self
                .returns
                .iter()
                .map(|back| self.returned(back))
                .collect::<Option<_>>()?,
        })
    }

    /// Money on its way back, in our words.
    pub(super) fn returned(&self, back: &Return) -> Option<RefundSnapshot> {
        let currency = self.currency()?;
        Some(RefundSnapshot {
            provider_reference: back.reference.clone(),
            payment_reference: Some(self.reference.clone()),
            operation: back.instruction.parse().ok(),
            state: match back.status.as_str() {
                "under_way" => Said::Known(RefundState::Pending),
                "done" => Said::Known(RefundState::Succeeded),
                "bounced" => Said::Known(RefundState::Failed),
                word => Said::Unrecognized(word.to_owned()),
            },
            amount: Money::new(minor(&back.amount, currency)?, currency),
            created: moment(&back.on)?,
            balance_transaction: None,
        })
    }
}
