//! How a planned month comes true: payments and refunds of ours through the caller, all else at Stripe itself.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Happening, Month, Payment};
use crate::stripe::{Extra, PretendStripe, Verdict};

/// How many payments are asked for at once.
const AT_ONCE: usize = 8;

/// What goes through the service that is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A payment, to be captured at once and asynchronously. The answer is its intent's id, `pi_…`.
    Pay(Payment),
    /// A refund. The answer is its id, `re_…`.
    Refund {
        /// Of which payment.
        payment: Payment,
        /// How much of it.
        amount: i64,
        /// Its place among the refunds.
        number: usize,
    },
}

/// Stripe's ids of what happened, each by its place among its like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Intents of the payments.
    pub payments: Vec<String>,
    /// Refunds.
    pub refunds: Vec<String>,
    /// Disputes.
    pub disputes: Vec<String>,
    /// Charges that were made at the dashboard.
    pub foreign: Vec<String>,
    /// Lines that came by themselves.
    pub lines: Vec<String>,
    /// Payouts.
    pub payouts: Vec<String>,
    /// The differences that an audit must name once everything has arrived, and no others.
    pub planted: Vec<Planted>,
    /// What somebody should hear of though the books are right, each with Stripe's id.
    pub notices: Vec<(Notice, String)>,
}

/// What sort of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlantedKind {
    /// A payment that was not made through us.
    ForeignPayment,
    /// A balance transaction of a type that nobody knows; it holds its payout open.
    UnknownType,
}

/// What somebody should hear of though the books are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// A bank takes a payment back; with the dispute's id.
    DisputeOpened,
    /// A refund did not arrive; with its id.
    RefundFailed,
    /// A payout came back from the bank; with its id.
    PayoutFailed,
}

/// A difference that an audit must name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Planted {
    /// What sort it is.
    pub kind: PlantedKind,
    /// Stripe's id: of the charge (`ch_…`) or of the balance transaction (`txn_…`).
    pub id: String,
    /// In which currency, as the customer paid it.
    pub currency: String,
    /// What the merchant expected.
    pub expected: i64,
    /// What there is.
    pub found: i64,
}

impl PlantedKind {
    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ForeignPayment => "foreign_payment",
            Self::UnknownType => "unknown_type",
        }
    }
}

impl Month {
    /// Lets the month happen. Stripe must settle on demand, because the month says when a fee is late.
    pub async fn happen(
        &self,
        stripe: &PretendStripe,
        ask: impl AsyncFn(Asked) -> Result<String>,
    ) -> Result<Happened> {
        ensure!(stripe.settles_on_demand(), "a month needs Settlement::OnDemand");
        let mut happened = Happened::default();
        let mut rest = self.happenings();
        while let Some((happening, after)) = rest.split_first() {
            let together = rest.iter().map_while(as_payment).collect::<Vec<_>>();
            if together.is_empty() {
                rest = after;
                let told = if let Happening::Refund { payment, amount } = happening {
                    let (number, amount) = (happened.refunds.len(), *amount);
                    let payment = self.payment(*payment)?.clone();
                    let refund = ask(Asked::Refund {
                        payment,
                        amount,
                        number,
                    })
                    .await;
                    refund.map(|id| happened.refunds.push(id))
                } else {
                    happened.take_place(stripe, happening)
                };
                told.with_context(|| format!("{happening:?}"))?;
            } else {
                rest = &rest[together.len()..];
                let ids: Vec<String> = stream::iter(&together)
                    .map(|payment| ask(Asked::Pay((*payment).clone())))
                    .buffered(AT_ONCE)
                    .try_collect()
                    .await?;
                for (payment, id) in together.into_iter().zip(ids) {
                    if !payment.late {
                        stripe
                            .settle_charge(&id)
                            .with_context(|| format!("{payment:?}"))?;
                    }
                    happened.payments.push(id);
                }
            }
        }
        stripe.set_date(None);
        Ok(happened)
    }

    fn payment(&self, number: usize) -> Result<&Payment> {
        self.payments
            .get(number)
            .with_context(|| format!("there is no payment {number}"))
    }
}

fn as_payment(happening: &Happening) -> Option<&Payment> {
    if let Happening::Pay(payment) = happening {
        Some(payment)
    } else {
        None
    }
}

impl Happened {
    /// What Stripe, banks and people at the dashboard do.
    fn take_place(&mut self, stripe: &PretendStripe, happening: &Happening) -> Result<()> {
        match happening {
            Happening::Pay(_) | Happening::Refund { .. } => {}
            Happening::Day(date) => stripe.set_date(Some(*date)),
            Happening::Rate(currency, rate) => stripe.settle_at(currency, Some(rate.clone())),
            Happening::FeeArrives { payment } => stripe.settle_charge(one(&self.payments, *payment)?)?,
            Happening::RefundFails { refund } => {
                let refund = one(&self.refunds, *refund)?.to_owned();
                stripe.fail_refund(&refund)?;
                self.notices.push((Notice::RefundFailed, refund));
            }
            Happening::Dispute { payment } => {
                let dispute = stripe.dispute(one(&self.payments, *payment)?, "fraudulent")?;
                self.disputes.push(dispute.clone());
                self.notices.push((Notice::DisputeOpened, dispute));
            }
            Happening::DisputeEnds { dispute, returned } => {
                end_dispute(stripe, one(&self.disputes, *dispute)?, *returned)?;
            }
            Happening::PayForeign { amount, currency } => {
                let charge = stripe.pay_in_dashboard(*amount, currency)?;
                self.foreign.push(charge.clone());
                self.plant(PlantedKind::ForeignPayment, charge, *amount, currency);
            }
            Happening::Write {
                extra,
                amount,
                currency,
            } => {
                let line = stripe.write_line(*extra, *amount, currency);
                self.lines.push(line.clone());
                if *extra == Extra::SolarFlare {
                    self.plant(PlantedKind::UnknownType, line, *amount, currency);
                }
            }
            Happening::PayOut { currency, kind } => self.payouts.push(stripe.pay_out_all(currency, *kind)?),
            Happening::PayoutLands { payout } => stripe.land_payout(one(&self.payouts, *payout)?)?,
            Happening::PayoutFails { payout } => {
                let payout = one(&self.payouts, *payout)?.to_owned();
                stripe.fail_payout(&payout)?;
                self.notices.push((Notice::PayoutFailed, payout));
            }
            Happening::PayoutCanceled { payout } => stripe.cancel_payout(one(&self.payouts, *payout)?)?,
        }
        Ok(())
    }

    fn plant(&mut self, kind: PlantedKind, id: String, found: i64, currency: &str) {
        self.planted.push(Planted {
            kind,
            id,
            currency: currency.to_owned(),
            expected: 0,
            found,
        });
    }
}

fn end_dispute(stripe: &PretendStripe, dispute: &str, returned: i64) -> Result<()> {
    if returned == 0 {
        return stripe.decide_dispute(dispute, Verdict::Lost);
    }
    let disputes = stripe.disputes();
    let shown = disputes.iter().find(|shown| shown["id"] == dispute);
    if shown.is_some_and(|shown| shown["amount"] == returned) {
        stripe.decide_dispute(dispute, Verdict::Won)
    } else {
        stripe.lose_dispute_in_part(dispute, returned)
    }
}

fn one(ids: &[String], place: usize) -> Result<&str> {
    ids.get(place)
        .map(String::as_str)
        .with_context(|| format!("number {place} has not happened yet"))
}
