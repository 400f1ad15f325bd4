//! Three ledgers side by side: what was asked of Quittance, what Stripe did, and what Odoo's books hold.
//!
//! Stripe and Odoo are read through their own APIs, as an auditor would; Quittance's word counts for nothing here but
//! for whether it is finished.

use std::fmt::Write as _;

use anyhow::Result;

use crate::odoo::{Books, Invoice, Odoo};
use crate::shop::Payment;
use crate::stripe::{Charge, LedgerLine, Refund, Stripe};
use crate::table::{Align, Table, amount};

/// A payment that was asked for, and what should have come of it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) invoice: Invoice,
    pub(crate) payment: Payment,
    pub(crate) what: &'static str,
    pub(crate) refunded_minor: i64,
}

/// Everything that was read at one moment.
#[derive(Debug)]
pub(crate) struct Audit<'a> {
    asked: &'a [Asked],
    charges: Vec<Charge>,
    refunds: Vec<Refund>,
    ledger: Vec<LedgerLine>,
    stripe_balance: i64,
    books: Books,
}

impl<'a> Audit<'a> {
    pub(crate) async fn read(asked: &'a [Asked], stripe: &Stripe, odoo: &Odoo) -> Result<Self> {
        let invoices: Vec<Invoice> = asked.iter().map(|asked| asked.invoice.clone()).collect();
        Ok(Self {
            asked,
            charges: stripe.charges().await?,
            refunds: stripe.refunds().await?,
            ledger: stripe.ledger().await?,
            stripe_balance: stripe.balance("eur").await?,
            books: odoo.books(&invoices).await?,
        })
    }

    /// Charges that took money.
    pub(crate) fn charges_made(&self) -> usize {
        self.charges.iter().filter(|charge| charge.paid).count()
    }

    /// Every way in which the three do not agree, one line each.
    pub(crate) fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for (asked, state) in self.asked.iter().zip(&self.books.payment_states) {
            self.compare_payment(asked, state, &mut differences);
        }
        for line in &self.ledger {
            self.compare_line(line, &mut differences);
        }
        for line in &self.books.lines {
            if !self.ledger.iter().any(|ledger| ledger.id == line.transaction) {
                differences.push(format!(
                    "Odoo's line \"{}\" is not in Stripe's ledger",
                    line.label
                ));
            }
        }
        let fees: i64 = self.ledger.iter().map(|line| line.fee).sum();
        let refunded: i64 = self.asked.iter().map(|asked| asked.refunded_minor).sum();
        equal(
            &mut differences,
            "charges at Stripe",
            count(self.charges_made()),
            count(self.asked.len()),
        );
        equal(&mut differences, "Outstanding", self.books.outstanding_minor, 0);
        equal(
            &mut differences,
            "the Stripe journal",
            self.books.journal_minor,
            self.stripe_balance,
        );
        equal(&mut differences, "Stripe's fees", self.books.fees_minor, fees);
        equal(
            &mut differences,
            "what customers owe",
            self.books.receivable_minor,
            refunded,
        );
        differences
    }

    fn compare_payment(&self, asked: &Asked, payment_state: &str, differences: &mut Vec<String>) {
        let name = &asked.invoice.name;
        if payment_state != "paid" {
            differences.push(format!("{name} is {payment_state} in Odoo, not paid"));
        }
        let taken: Vec<&Charge> = self.charges_of(asked).collect();
        equal(differences, &format!("{name}: charges"), count(taken.len()), 1);
        let captured = taken.iter().map(|charge| charge.amount_captured).sum();
        equal(
            differences,
            &format!("{name}: captured"),
            captured,
            asked.invoice.minor,
        );
        let refunded = taken.iter().map(|charge| charge.amount_refunded).sum();
        equal(
            differences,
            &format!("{name}: refunded"),
            refunded,
            asked.refunded_minor,
        );
    }

    /// A line of Stripe's ledger is in Odoo once, with what arrived of it.
    fn compare_line(&self, line: &LedgerLine, differences: &mut Vec<String>) {
        let booked: Vec<i64> = self
            .books
            .lines
            .iter()
            .filter(|booked| booked.transaction == line.id)
            .map(|booked| booked.minor)
            .collect();
        let net = line.amount - line.fee;
        if booked != [net] {
            differences.push(format!(
                "Stripe's {} is {net} there and {booked:?} in Odoo",
                line.id
            ));
        }
    }

    fn charges_of(&self, asked: &Asked) -> impl Iterator<Item = &Charge> {
        let intent = asked.payment.provider_reference.clone().unwrap_or_default();
        self.charges
            .iter()
            .filter(move |charge| charge.paid && charge.payment_intent == intent)
    }

    /// What Odoo's books hold, for people.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::from("Odoo's invoices and the Stripe journal's lines\n\n");
        let mut invoices = Table::new([
            ("invoice", Align::Left),
            ("what happened", Align::Left),
            ("state in Odoo", Align::Left),
            ("charged", Align::Right),
            ("fee", Align::Right),
            ("refunded", Align::Right),
            ("in the journal", Align::Right),
        ]);
        for (asked, state) in self.asked.iter().zip(&self.books.payment_states) {
            let [charged, fee, refunded] = self.booked(asked);
            invoices.row([
                asked.invoice.name.clone(),
                asked.what.to_owned(),
                state.clone(),
                amount(charged),
                amount(fee),
                amount(refunded),
                amount(charged + fee + refunded),
            ]);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{invoices}");
        let mut accounts = Table::new([
            ("account in Odoo", Align::Left),
            ("balance", Align::Right),
            ("at Stripe", Align::Right),
        ]);
        let fees: i64 = self.ledger.iter().map(|line| line.fee).sum();
        for (name, minor, stripe) in [
            (
                "Stripe journal",
                self.books.journal_minor,
                amount(self.stripe_balance),
            ),
            ("Outstanding", self.books.outstanding_minor, String::new()),
            ("Stripe's fees", self.books.fees_minor, amount(fees)),
            (
                "Receivable (refunds await a credit note)",
                self.books.receivable_minor,
                String::new(),
            ),
        ] {
            accounts.row([name.to_owned(), amount(minor), stripe]);
        }
        let _ = writeln!(text, "{accounts}");
        let _ = writeln!(
            text,
            "  {} payments asked for, {} charges at Stripe",
            self.asked.len(),
            self.charges_made()
        );
        text
    }

    /// What the Stripe journal holds of a payment: charge, fee and refund.
    fn booked(&self, asked: &Asked) -> [i64; 3] {
        let charges: Vec<&str> = self.charges_of(asked).map(|charge| charge.id.as_str()).collect();
        let refunds = self
            .refunds
            .iter()
            .filter(|refund| charges.contains(&refund.charge.as_str()));
        let refunds: Vec<&str> = refunds.map(|refund| refund.id.as_str()).collect();
        let sum = |sources: &[&str], of: fn(&LedgerLine) -> i64| self.booked_for(sources).map(of).sum();
        [
            sum(&charges, |line| line.amount),
            sum(&charges, |line| -line.fee),
            sum(&refunds, |line| line.amount - line.fee),
        ]
    }

    /// The lines of Stripe's ledger that are for one of these, as far as the journal has them.
    fn booked_for<'b>(&'b self, sources: &'b [&str]) -> impl Iterator<Item = &'b LedgerLine> {
        self.ledger.iter().filter(move |line| {
            let is_booked = || {
                self.books
                    .lines
                    .iter()
                    .any(|booked| booked.transaction == line.id)
            };
            sources.contains(&line.source.as_str()) && is_booked()
        })
    }
}

fn equal(differences: &mut Vec<String>, what: &str, found: i64, wanted: i64) {
    if found != wanted {
        differences.push(format!("{what}: {found}, not {wanted}"));
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Asked, Audit};
    use crate::odoo::{Books, Invoice, StatementLine};
    use crate::shop::Payment;
    use crate::stripe::{Charge, LedgerLine};

    fn asked() -> [Asked; 1] {
        let payment = Payment {
            provider_reference: Some("pi_1".to_owned()),
            ..Payment::default()
        };
        let invoice = Invoice {
            id: 1,
            name: "INV/1".to_owned(),
            minor: 12_100,
        };
        [Asked {
            invoice,
            payment,
            what: "paid",
            refunded_minor: 0,
        }]
    }

    fn line(minor: i64) -> StatementLine {
        StatementLine {
            transaction: "txn_1".to_owned(),
            label: "a charge".to_owned(),
            minor,
        }
    }

    fn agreeing(asked: &[Asked]) -> Audit<'_> {
        let charge = Charge {
            id: "ch_1".to_owned(),
            payment_intent: "pi_1".to_owned(),
            paid: true,
            amount_captured: 12_100,
            amount_refunded: 0,
        };
        let ledger = LedgerLine {
            id: "txn_1".to_owned(),
            source: "ch_1".to_owned(),
            amount: 12_100,
            fee: 207,
        };
        Audit {
            asked,
            charges: vec![charge],
            refunds: Vec::new(),
            ledger: vec![ledger],
            stripe_balance: 11_893,
            books: Books {
                payment_states: vec!["paid".to_owned()],
                lines: vec![line(11_893)],
                journal_minor: 11_893,
                outstanding_minor: 0,
                fees_minor: 207,
                receivable_minor: 0,
            },
        }
    }

    #[test]
    fn books_that_agree_have_no_differences() {
        assert_eq!(agreeing(&asked()).differences(), Vec::<String>::new());
    }

    #[test]
    fn a_second_charge_is_a_difference() {
        let asked = asked();
        let mut audit = agreeing(&asked);
        audit.charges.push(Charge {
            id: "ch_2".to_owned(),
            ..audit.charges[0].clone()
        });

        let differences = audit.differences();

        assert!(
            differences.contains(&"INV/1: charges: 2, not 1".to_owned()),
            "{differences:?}"
        );
        assert!(
            differences.contains(&"charges at Stripe: 2, not 1".to_owned()),
            "{differences:?}"
        );
    }

    #[test]
    fn a_line_that_is_booked_twice_or_not_at_all_is_a_difference() {
        let asked = asked();
        let mut audit = agreeing(&asked);
        audit.books.lines.push(line(-207));
        assert_eq!(
            audit.differences(),
            ["Stripe's txn_1 is 11893 there and [11893, -207] in Odoo"]
        );

        audit.books.lines.clear();
        assert_eq!(
            audit.differences(),
            ["Stripe's txn_1 is 11893 there and [] in Odoo"]
        );
    }

    #[test]
    fn a_cent_too_many_is_a_difference() {
        let asked = asked();
        let mut audit = agreeing(&asked);
        audit.books.journal_minor += 1;

        assert_eq!(audit.differences(), ["the Stripe journal: 11894, not 11893"]);
    }

    #[test]
    fn an_open_invoice_is_a_difference() {
        let asked = asked();
        let mut audit = agreeing(&asked);
        audit.books.payment_states = vec!["not_paid".to_owned()];

        assert_eq!(audit.differences(), ["INV/1 is not_paid in Odoo, not paid"]);
    }
}
