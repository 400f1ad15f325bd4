//! Whether a journal and its accounts are still as they were when they were mapped.

use crate::domain::ledger::LedgerAccount;
use crate::sink::{Books, Role, SinkError};

use super::super::client::Database;
use super::chart::{Chart, Journal};
use super::roles::needed;
use super::{journals, taxes};

/// What does not fit any more, in words with what to do; in the same order every time.
pub(in super::super) async fn check(odoo: &Database<'_>, books: &Books) -> Result<Vec<String>, SinkError> {
    let odoo = &Database {
        company_id: Some(books.company_id),
        ..*odoo
    };
    let mut chart = Chart::read(odoo, books.company_id).await?;
    if books.fee_tax.is_some() {
        chart.taxes = taxes::read(odoo).await?;
    }
    let Some(journal) = chart.journal(books.journal_id) else {
        return Ok(vec![format!(
            "journal {} is gone: `quittance odoo setup` finds or makes another one",
            books.journal_id
        )]);
    };
    let mut found = journals::complaints(&chart, journal, &books.currency);
    let words = Chart::journal_words(journal);
    if journal.default_account_id.id() != Some(books.journal_account_id) {
        found.push(format!(
            "{words} has another bank account than the one that was booked on: give it back the old one, or take the new \
             one over with `quittance odoo setup`"
        ));
    }
    found.extend(waiting(
        &chart,
        journal,
        books.inbound_method_line_id,
        books.outstanding_receipts_id,
    ));
    found.extend(waiting(
        &chart,
        journal,
        books.outbound_method_line_id,
        books.outstanding_payments_id,
    ));
    found.extend(accounts(&chart, books));
    found.extend(taxes::check(&chart, books));
    let own = chart.company.currency_id.name();
    if let Some(company_currency) = books
        .company_currency
        .as_deref()
        .filter(|currency| *currency != own)
    {
        found.push(format!(
            "the company's currency is {own} now and was {company_currency}: run `quittance odoo setup` again"
        ));
    }
    let others = [
        books.general_journal_id,
        books.bank.as_ref().map(|bank| bank.journal_id),
    ];
    for id in others.into_iter().flatten() {
        match chart.journal(id) {
            Some(other) if other.active => {}
            Some(other) => found.push(format!(
                "{} is archived: bring it back",
                Chart::journal_words(other)
            )),
            None => found.push(format!("journal {id} is gone: run `quittance odoo setup` again")),
        }
    }
    found.dedup();
    Ok(found)
}

/// Whether a payment method still waits where postings look for it.
fn waiting(chart: &Chart, journal: &Journal, line_id: i64, account_id: i64) -> Option<String> {
    let line = chart
        .lines
        .iter()
        .find(|line| line.id == line_id && line.journal_id.id() == Some(journal.id));
    let Some(line) = line else {
        return Some(format!(
            "a payment method of journal {} is gone: `quittance odoo setup` takes another one",
            journal.code
        ));
    };
    let words = format!(
        "payment method {} ({}) of journal {}",
        line.name, line.payment_type, journal.code
    );
    let account = chart.account(Some(account_id)).map(super::chart::Account::words);
    let account = account.unwrap_or_else(|| format!("account {account_id}"));
    if line.payment_account_id.id() == Some(account_id) {
        let fits = chart.can_wait(Some(account_id), journal);
        return (!fits).then(|| {
            format!("{words} waits on {account}, which must be active, allow reconciliation and be no bank account")
        });
    }
    let now = match line.payment_account_id.id() {
        None => "nothing".to_owned(),
        Some(id) if Some(id) == journal.default_account_id.id() => "the journal's own account".to_owned(),
        Some(_) => line.payment_account_id.name().to_owned(),
    };
    Some(format!(
        "{words} waits on {now} and not on {account}: set its outstanding account back, or run `quittance odoo setup`"
    ))
}

fn accounts(chart: &Chart, books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for spec in needed(books.lost_disputes) {
        let waits = matches!(spec.role, Role::OutstandingReceipts | Role::OutstandingPayments);
        // A tax may be kept on an account of any type, and is looked at with it.
        let is_taxed = spec.role == Role::Ledger(LedgerAccount::FeeTax) && books.fee_tax.is_some();
        let Some(id) = spec.of_books(books).filter(|_| !waits && !is_taxed) else {
            continue;
        };
        match chart.account(Some(id)) {
            Some(account) => found.extend(spec.complaint(account)),
            None => found.push(format!(
                "account {id} ({}) is gone: run `quittance odoo setup` again",
                spec.purpose
            )),
        }
    }
    if let Some(id) = books.accounts.get(&LedgerAccount::Suspense) {
        match chart.account(Some(*id)) {
            Some(account) if account.is_active() => {}
            Some(account) => found.push(format!(
                "{} (suspense) is archived: bring it back",
                account.words()
            )),
            None => found.push(format!(
                "account {id} (suspense) is gone: run `quittance odoo setup` again"
            )),
        }
    }
    found
}
