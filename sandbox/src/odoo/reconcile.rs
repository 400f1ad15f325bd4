//! Making debits and credits meet (`account.move.line/reconcile`).

use super::books::{Books, Entry, Item, Partial, Source};
use super::error::OdooError;

impl Books {
    /// Reconciles items of one account, the oldest first.
    pub(super) fn reconcile(&mut self, ids: &[i64]) -> Result<(), OdooError> {
        let mut accounts = Vec::new();
        for id in ids {
            let item = self
                .items
                .get(*id)
                .ok_or_else(|| OdooError::missing("account.move.line", *id))?;
            if !self.is_posted(item.entry) {
                return Err(OdooError::user("You can only reconcile posted entries."));
            }
            if self.is_reconciled(*id) {
                return Err(OdooError::user(
                    "You are trying to reconcile some entries that are already reconciled.",
                ));
            }
            if !accounts.contains(&item.account) {
                accounts.push(item.account);
            }
        }
        self.check_accounts(&accounts)?;
        let mut currencies = ids
            .iter()
            .filter_map(|id| self.items.get(*id))
            .map(|item| item.currency);
        if let Some(first) = currencies.next()
            && currencies.any(|currency| currency != first)
        {
            return Err(OdooError::value(
                "the pretend Odoo reconciles items of one currency only",
            ));
        }
        let mut ids = ids.to_vec();
        ids.sort_by_key(|id| {
            let entry = self.items.get(*id).map(|item| item.entry);
            (
                entry
                    .and_then(|entry| self.entries.get(entry))
                    .map(|entry| entry.date),
                *id,
            )
        });
        let (debits, credits): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(|id| self.residual(*id) > 0);
        for debit in debits {
            for credit in &credits {
                self.meet(debit, *credit);
            }
        }
        Ok(())
    }

    /// Parts what met (`account.partial.reconcile/unlink`).
    pub(super) fn part(&mut self, ids: &[i64]) {
        for id in ids {
            let Some(partial) = self.partials.get_mut(*id) else {
                continue;
            };
            let (debit, credit) = (partial.debit, partial.credit);
            let minor = std::mem::take(&mut partial.minor);
            let ([of_debit, of_credit], exchanged) =
                (partial.worth_minor, std::mem::take(&mut partial.exchanged));
            self.owe(debit, minor, of_debit);
            self.owe(credit, -minor, -of_credit);
            for entry in exchanged {
                self.reverse_exchange(entry);
            }
            self.generation += 1;
        }
    }

    /// Whether nothing is left of an item on an account that can be reconciled.
    pub(super) fn is_reconciled(&self, id: i64) -> bool {
        self.items.get(id).is_some_and(|item| {
            item.residual_minor == 0
                && item.residual_worth_minor == 0
                && self
                    .accounts
                    .get(item.account)
                    .is_some_and(|account| account.reconcile)
        })
    }

    fn check_accounts(&self, accounts: &[i64]) -> Result<(), OdooError> {
        let mut found = accounts.iter().filter_map(|id| self.accounts.get(*id));
        if let [_, _, ..] = accounts {
            let names: Vec<String> = found
                .map(|account| format!("{} {}", account.code, account.name))
                .collect();
            return Err(OdooError::user(format!(
                "Entries are not from the same account: {}",
                names.join(", ")
            )));
        }
        match found.find(|account| !account.reconcile) {
            None => Ok(()),
            Some(account) => Err(OdooError::user(format!(
                "Account {} {} does not allow reconciliation. First change the configuration of this account to \
                 allow it.",
                account.code, account.name
            ))),
        }
    }

    fn residual(&self, id: i64) -> i64 {
        self.items.get(id).map_or(0, |item| item.residual_minor)
    }

    fn meet(&mut self, debit: i64, credit: i64) {
        let minor = self.residual(debit).min(-self.residual(credit));
        if minor <= 0 {
            return;
        }
        let worth = |id| self.items.get(id).map_or(0, |item| share(item, minor));
        let worth_minor = [worth(debit), worth(credit)];
        let [of_debit, of_credit] = worth_minor;
        let both = of_debit.min(of_credit);
        self.owe(debit, -minor, -of_debit);
        self.owe(credit, minor, of_credit);
        let exchanged = [
            self.exchange(debit, of_debit - both),
            self.exchange(credit, both - of_credit),
        ];
        self.partials.add(Partial {
            debit,
            credit,
            minor,
            worth_minor,
            exchanged: exchanged.into_iter().flatten().collect(),
        });
        self.generation += 1;
    }

    /// Changes what is left of an item.
    fn owe(&mut self, id: i64, minor: i64, worth_minor: i64) {
        if let Some(item) = self.items.get_mut(id) {
            item.residual_minor += minor;
            item.residual_worth_minor += worth_minor;
        }
    }

    /// What is left to pay of an invoice.
    pub(super) fn invoice_residual(&self, entry: i64) -> i64 {
        self.items_of(entry)
            .filter(|(_, item)| self.is_receivable(item.account))
            .map(|(_, item)| item.residual_minor)
            .sum()
    }

    /// Odoo's word for how far an invoice is paid. The free edition never says `in_payment`.
    pub(super) fn payment_state(&self, entry: i64) -> &'static str {
        let owed: i64 = self
            .items_of(entry)
            .filter(|(_, item)| self.is_receivable(item.account))
            .map(|(_, item)| item.minor)
            .sum();
        match self.invoice_residual(entry) {
            _ if !self.is_posted(entry) => "not_paid",
            0 if self.met_credit_notes_only(entry) => "reversed",
            0 => "paid",
            left if left.abs() < owed.abs() => "partial",
            _ => "not_paid",
        }
    }

    /// Whether an invoice was not paid but taken back.
    fn met_credit_notes_only(&self, entry: i64) -> bool {
        let mut others = self
            .partials
            .iter()
            .filter(|(_, partial)| partial.minor != 0)
            .filter(|(_, partial)| {
                self.items
                    .get(partial.debit)
                    .is_some_and(|item| item.entry == entry)
            })
            .filter_map(|(_, partial)| self.entries.get(self.items.get(partial.credit)?.entry))
            .peekable();
        let is_note = |other: &Entry| matches!(other.source, Source::CreditNote(_));
        others.peek().is_some() && others.all(is_note)
    }

    /// Has a credit note meet what is open of its invoice, as Odoo does when one is posted.
    pub(super) fn meet_invoice(&mut self, note: i64, invoice: i64) {
        let on_receivable = |books: &Self, entry| {
            let items = books.items_of(entry);
            let found = items.filter(|(_, item)| books.is_receivable(item.account));
            found.map(|(id, _)| id).collect::<Vec<_>>()
        };
        for debit in on_receivable(self, invoice) {
            for credit in on_receivable(self, note) {
                self.meet(debit, credit);
            }
        }
    }

    /// Odoo's word for how far a payment is: paid once its documents are or its statement line is there.
    pub(super) fn payment_word(&self, id: i64) -> &'static str {
        let Some(entry) = self.payments.get(id).and_then(|payment| payment.entry) else {
            return "draft";
        };
        let done = self.items_of(entry).any(|(_, item)| item.residual_minor == 0);
        if done { "paid" } else { "in_process" }
    }

    /// Whether a payment has met its statement line.
    pub(super) fn is_matched(&self, id: i64) -> bool {
        self.payments
            .get(id)
            .and_then(|payment| payment.entry)
            .is_some_and(|entry| {
                self.items_of(entry)
                    .any(|(_, item)| item.residual_minor == 0 && !self.is_receivable(item.account))
            })
    }

    /// Whether an account holds what customers owe.
    pub(super) fn is_receivable(&self, account: i64) -> bool {
        self.accounts
            .get(account)
            .is_some_and(|account| account.kind == "asset_receivable")
    }

    /// The payment that an entry books.
    pub(super) fn payment_of(&self, entry: i64) -> Option<i64> {
        match self.entries.get(entry)?.source {
            Source::Payment(id) => Some(id),
            Source::Invoice | Source::CreditNote(_) | Source::General | Source::StatementLine(_) => None,
        }
    }

    /// The statement line that an entry books.
    pub(super) fn line_of(&self, entry: i64) -> Option<i64> {
        match self.entries.get(entry)?.source {
            Source::StatementLine(id) => Some(id),
            Source::Invoice | Source::CreditNote(_) | Source::General | Source::Payment(_) => None,
        }
    }
}

/// What so much of an item is worth in the company's currency, positive: of the last of it, all that is left.
fn share(item: &Item, minor: i64) -> i64 {
    let (left, whole) = (item.residual_minor.abs(), item.minor.abs());
    if minor >= left || whole == 0 {
        return item.residual_worth_minor.abs();
    }
    let (worth, whole) = (i128::from(item.worth_minor.abs()), i128::from(whole));
    let rounded = (2 * worth * i128::from(minor) + whole) / (2 * whole);
    i64::try_from(rounded)
        .unwrap_or(i64::MAX)
        .min(item.residual_worth_minor.abs())
}
