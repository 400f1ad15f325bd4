//! Texts with gaps, cut from the objects that the pretend Stripe shows of single payments.

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::super::fields::Fields;
use super::super::form;
use super::super::payment_intents;
use super::super::payouts::PayoutKind;
use super::super::refunds;
use super::super::state::State;
use super::{Archive, Volume};

/// A gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Number,
    ChargeNumber,
    PayoutNumber,
    PayoutLine,
    Amount,
    Size,
    Returned,
    Fee,
    Net,
    Created,
    Arrival,
    Metadata,
    Source,
}

/// What stands in an object where a gap will be: inside a text, or in place of a value.
const INSIDE: [(&str, Slot); 4] = [
    ("<number>", Slot::Number),
    ("<charge>", Slot::ChargeNumber),
    ("<payout>", Slot::PayoutNumber),
    ("<own>", Slot::PayoutLine),
];
const WHOLE: [(&str, Slot); 9] = [
    ("\"<amount>\"", Slot::Amount),
    ("\"<size>\"", Slot::Size),
    ("\"<returned>\"", Slot::Returned),
    ("\"<fee>\"", Slot::Fee),
    ("\"<net>\"", Slot::Net),
    ("\"<created>\"", Slot::Created),
    ("\"<arrival>\"", Slot::Arrival),
    ("\"<metadata>\"", Slot::Metadata),
    ("\"<source>\"", Slot::Source),
];

/// Pieces of text, each with the gap that follows it.
#[derive(Debug)]
pub(super) struct Template(pub(super) Vec<(String, Option<Slot>)>);

impl Template {
    /// Cuts an object where the names of gaps stand.
    fn cut(object: &Value) -> Self {
        let text = object.to_string();
        let mut rest = text.as_str();
        let mut pieces = Vec::new();
        loop {
            let gaps = INSIDE.iter().chain(&WHOLE);
            let next = gaps
                .filter_map(|(name, slot)| Some((rest.find(name)?, name.len(), *slot)))
                .min_by_key(|(place, ..)| *place);
            let Some((place, len, slot)) = next else {
                pieces.push((rest.to_owned(), None));
                return Self(pieces);
            };
            pieces.push((rest[..place].to_owned(), Some(slot)));
            rest = &rest[place + len..];
        }
    }
}

/// The texts of all objects of a volume.
#[derive(Debug)]
pub(super) struct Templates {
    pub(super) charge: Template,
    pub(super) charge_line: Template,
    pub(super) refund: Template,
    pub(super) refund_line: Template,
    pub(super) payout: Template,
    pub(super) payout_line: Template,
}

impl Templates {
    /// Pays, refunds and pays out once on an account that is nobody's.
    fn of(state: &mut State) -> Result<Self> {
        let form = "amount=10000&currency=eur&payment_method=pm_card_visa&payment_method_types[]=card&confirm=true\
                    &capture_method=automatic";
        let intent = payment_intents::create(state, fields(form)?);
        let intent = intent.map_err(|error| anyhow!("refused: {}", error.message()))?;
        let charge = intent["latest_charge"].as_str().context("nothing was charged")?;
        let untouched = state.charges.view(charge).unwrap_or_default();
        let refund = refunds::create(state, fields(&format!("charge={charge}&amount=5000"))?);
        let refund = refund.map_err(|error| anyhow!("refused: {}", error.message()))?;
        let payout = state
            .pay_out_all("eur", PayoutKind::Automatic)
            .context("nothing to pay out")?;
        for step in [
            super::super::PayoutStep::Arrive,
            super::super::PayoutStep::Reconcile,
        ] {
            state
                .step_payout(&payout, step)
                .context("a payout that does not land")?;
        }
        let lines = state.balance_transactions.views();
        let [charge_line, refund_line, payout_line] = lines.as_slice() else {
            return Err(anyhow!(
                "a payment, a refund and a payout have {} lines",
                lines.len()
            ));
        };
        let payout = state.payouts.view(&payout).unwrap_or_default();
        Ok(Self {
            charge: Template::cut(&charge_gaps(untouched)),
            charge_line: Template::cut(&line_gaps(charge_line.clone())),
            refund: Template::cut(&refund_gaps(refund)),
            refund_line: Template::cut(&line_gaps(refund_line.clone())),
            payout: Template::cut(&payout_gaps(payout)),
            payout_line: Template::cut(&line_gaps(payout_line.clone())),
        })
    }
}

impl Archive {
    /// Prepares a volume; `state` is used up for it.
    pub(crate) fn new(volume: Volume, state: &mut State) -> Result<Self> {
        Ok(Self {
            volume,
            amounts: (0..i64::from(volume.payouts))
                .map(|payout| volume.payout_amount(payout))
                .collect(),
            texts: Templates::of(state)?,
        })
    }
}

fn line_gaps(mut line: Value) -> Value {
    set(
        &mut line,
        &[
            ("id", "txn_3V<number>"),
            ("amount", "<amount>"),
            ("fee", "<fee>"),
            ("net", "<net>"),
            ("created", "<created>"),
            ("available_on", "<created>"),
            ("source", "<source>"),
        ],
    );
    if line["type"] == "charge" {
        line["fee_details"][0]["amount"] = "<fee>".into();
    }
    if line["type"] == "refund" {
        line["description"] = "REFUND FOR CHARGE (ch_3V<charge>)".into();
    }
    line
}

fn charge_gaps(mut charge: Value) -> Value {
    set(
        &mut charge,
        &[
            ("id", "ch_3V<charge>"),
            ("amount", "<size>"),
            ("amount_captured", "<size>"),
            ("balance_transaction", "txn_3V<charge>"),
            ("created", "<created>"),
            ("metadata", "<metadata>"),
            ("payment_intent", "pi_3V<charge>"),
            (
                "receipt_url",
                "https://pay.stripe.com/receipts/payment/ch_3V<charge>",
            ),
        ],
    );
    charge
}

fn refund_gaps(mut refund: Value) -> Value {
    set(
        &mut refund,
        &[
            ("id", "re_3V<number>"),
            ("amount", "<size>"),
            ("balance_transaction", "txn_3V<number>"),
            ("charge", "ch_3V<charge>"),
            ("created", "<created>"),
            ("payment_intent", "pi_3V<charge>"),
        ],
    );
    refund
}

fn payout_gaps(mut payout: Value) -> Value {
    set(
        &mut payout,
        &[
            ("id", "po_3V<payout>"),
            ("amount", "<returned>"),
            ("arrival_date", "<arrival>"),
            ("balance_transaction", "txn_3V<own>"),
            ("created", "<created>"),
        ],
    );
    payout
}

fn set(object: &mut Value, gaps: &[(&str, &str)]) {
    for (name, gap) in gaps {
        object[*name] = (*gap).into();
    }
}

fn fields(encoded: &str) -> Result<Fields> {
    let params = form::parse(encoded.as_bytes()).map_err(|error| anyhow!(error))?;
    Ok(Fields::new(params))
}
