//! The journal of one currency: found or to be made, and where its payments wait.

use std::collections::BTreeMap;

use crate::domain::ledger::LedgerAccount;
use crate::domain::money::Currency;
use crate::sink::{Books, Role, SinkError};

use super::super::load::external_id;
use super::chart::{Chart, Journal, MethodLine};
use super::plan::{Action, NewJournal, Plan};

/// Odoo's limit for a journal's short code.
const CODE_LEN: usize = 5;

/// Plans the journal of what an account holds in a currency. Its books, where all is there.
pub(super) fn plan(plan: &mut Plan<'_>, currency: Currency) -> Result<Option<Books>, SinkError> {
    let (chart, request) = (plan.chart, plan.request);
    let code = currency.code();
    let purpose = format!("what {} holds in {code}", request.provider);
    let key = format!("{}_{}", request.account, code.to_lowercase());
    let external_id = external_id("journal", &key)?;
    let named = request.journals.get(code);
    let found = match named {
        Some(name) => chart.journals.iter().find(|journal| journal.code == *name),
        None => request
            .known_journals
            .get(code)
            .and_then(|id| chart.journal(*id))
            .or_else(|| {
                chart
                    .journals
                    .iter()
                    .find(|journal| journal.external_id == external_id)
            }),
    };
    if let (None, Some(name)) = (found, named) {
        plan.problems.push(format!(
            "no journal has the code {name}, which --journal {code}={name} names"
        ));
        return Ok(None);
    }
    let Some(journal) = found else {
        missing(plan, currency, external_id, purpose);
        return Ok(None);
    };
    let complaints = complaints(chart, journal, code);
    if !complaints.is_empty() {
        plan.problems.extend(complaints);
        return Ok(None);
    }
    plan.found(Chart::journal_words(journal), purpose);
    let inbound = method(plan, journal, "inbound", Role::OutstandingReceipts);
    let outbound = method(plan, journal, "outbound", Role::OutstandingPayments);
    let suspense = suspense(plan, journal);
    let (Some(inbound), Some(outbound), Some(suspense)) = (inbound, outbound, suspense) else {
        return Ok(None);
    };
    Ok(books(plan, journal, (inbound, outbound, suspense)))
}

/// What keeps a journal from standing for what is held in a currency.
pub(super) fn complaints(chart: &Chart, journal: &Journal, currency: &str) -> Vec<String> {
    let words = Chart::journal_words(journal);
    let mut found = Vec::new();
    if journal.kind != "bank" {
        found.push(format!("{words} is not of type Bank"));
    }
    if !journal.active {
        found.push(format!("{words} is archived: bring it back"));
    }
    let holds = journal.currency(&chart.company);
    if holds != currency {
        found.push(format!(
            "{words} holds {holds} and not {currency}: another journal must stand for it"
        ));
    }
    if journal.default_account_id.id().is_none() {
        found.push(format!("{words} has no bank account of its own: set one"));
    }
    found
}

/// A journal to be made, with a free code and name.
fn missing(plan: &mut Plan<'_>, currency: Currency, external_id: String, purpose: String) {
    let (chart, code) = (plan.chart, currency.code());
    let is_own = chart.company.currency_id.name() == code;
    let known = chart.currencies.iter().find(|known| known.name == code);
    let provider = &plan.request.provider;
    let (Some(known), Some(short)) = (known, free_code(chart, provider, code)) else {
        plan.problems.push(format!(
            "no journal for {code} can be made: make one of type Bank and name it with --journal {code}=CODE"
        ));
        return;
    };
    let name = free_name(chart, &format!("{provider} {code}"));
    let what = format!("journal {short} {name} (bank, {code}, with an account of its own)");
    let new = NewJournal {
        external_id,
        code: short,
        name: name.clone(),
        currency_id: (!is_own).then_some(known.id),
    };
    plan.missing(what, purpose, Some(Action::Journal(new)));
    for (direction, waits) in [
        ("inbound", "Outstanding Receipts"),
        ("outbound", "Outstanding Payments"),
    ] {
        let what = format!("payment method of {name} ({direction}), waiting on {waits}");
        plan.missing(what, method_purpose(direction, code), None);
    }
}

fn method_purpose(direction: &str, currency: &str) -> String {
    let what = if direction == "inbound" {
        "payments"
    } else {
        "refunds"
    };
    format!("{what} in {currency}")
}

/// The payment method of a direction, with where it waits; it is told to where it does not or cannot.
fn method(plan: &mut Plan<'_>, journal: &Journal, direction: &str, role: Role) -> Option<(i64, i64)> {
    let chart = plan.chart;
    let purpose = method_purpose(direction, journal.currency(&chart.company));
    let lines: Vec<&MethodLine> = chart
        .lines
        .iter()
        .filter(|line| line.payment_type == direction && line.journal_id.id() == Some(journal.id))
        .collect();
    let words = |line: &MethodLine, account: &str| {
        format!(
            "payment method {} of journal {} ({direction}), waiting on {account}",
            line.name, journal.code
        )
    };
    let waiting = lines.iter().find_map(|line| {
        let account = line.payment_account_id.id()?;
        chart.can_wait(Some(account), journal).then_some((line, account))
    });
    if let Some((line, account)) = waiting {
        plan.found(words(line, line.payment_account_id.name()), purpose);
        return Some((line.id, account));
    }
    let Some(line) = lines.first() else {
        plan.problems.push(format!(
            "journal {} has no {direction} payment method: add Manual Payment",
            journal.code
        ));
        return None;
    };
    let shared = plan.accounts.get(&role).copied();
    let name = chart.account(shared).map_or_else(
        || "the outstanding account to be made".to_owned(),
        super::chart::Account::words,
    );
    let now = line.payment_account_id.name();
    let now = if now.is_empty() { "nothing" } else { now };
    let action = shared.map(|account_id| Action::Wait {
        line_id: line.id,
        account_id,
    });
    plan.missing(format!("{} (now: {now})", words(line, &name)), purpose, action);
    None
}

/// Where lines of the journal wait that nobody has explained: where a bookkeeper looks for them.
fn suspense(plan: &mut Plan<'_>, journal: &Journal) -> Option<i64> {
    const ROLE: Role = Role::Ledger(LedgerAccount::Suspense);
    let (chart, request) = (plan.chart, plan.request);
    let found = match request.accounts.get(&ROLE) {
        Some(code) => chart.accounts.iter().find(|account| account.code() == code),
        None => chart.account(
            journal
                .suspense_account_id
                .id()
                .or(chart.company.account_journal_suspense_account_id.id()),
        ),
    };
    let purpose = format!("lines of {} that nobody has explained yet", journal.code);
    let Some(account) = found else {
        plan.problems.push(format!(
            "journal {} has no suspense account: set one, or name one with --account suspense=CODE",
            journal.code
        ));
        return None;
    };
    if !account.is_active() {
        plan.problems
            .push(format!("{} is archived: bring it back", account.words()));
    }
    plan.found(account.words(), purpose);
    Some(account.id)
}

fn books(
    plan: &Plan<'_>,
    journal: &Journal,
    (inbound, outbound, suspense): ((i64, i64), (i64, i64), i64),
) -> Option<Books> {
    let of = |role| plan.accounts.get(&role).copied();
    let mut accounts: BTreeMap<LedgerAccount, i64> = plan
        .accounts
        .iter()
        .filter_map(|(role, id)| match role {
            Role::Ledger(account) => Some((*account, *id)),
            Role::DisputeLosses => Some((LedgerAccount::DisputeLosses, *id)),
            Role::OutstandingReceipts | Role::OutstandingPayments => None,
        })
        .collect();
    accounts.insert(LedgerAccount::Suspense, suspense);
    accounts.insert(LedgerAccount::Bank, *accounts.get(&LedgerAccount::InTransit)?);
    Some(Books {
        journal_id: journal.id,
        journal_account_id: journal.default_account_id.id()?,
        outstanding_receipts_id: inbound.1,
        outstanding_payments_id: outbound.1,
        inbound_method_line_id: inbound.0,
        outbound_method_line_id: outbound.0,
        fee_account_id: of(Role::Ledger(LedgerAccount::Fees))?,
        company_id: plan.chart.company.id,
        currency: journal.currency(&plan.chart.company).to_owned(),
        company_currency: Some(plan.chart.company.currency_id.name().to_owned()),
        accounts,
        general_journal_id: None,
        bank: None,
        lost_disputes: plan.request.lost_disputes,
        fee_tax: None,
        credit_notes: false,
    })
}

/// A short code that no journal has: that of the provider and the currency, such as STREU.
fn free_code(chart: &Chart, provider: &str, currency: &str) -> Option<String> {
    let letters: String = provider
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(3)
        .collect::<String>()
        .to_uppercase();
    let first = format!("{letters}{}", currency.get(..2)?);
    let second = format!("{}{currency}", letters.get(..2)?);
    let numbered = (2..100).map(|number: u32| {
        let number = number.to_string();
        let kept = CODE_LEN.saturating_sub(number.len());
        format!("{}{number}", first.get(..kept).unwrap_or_default())
    });
    [first.clone(), second]
        .into_iter()
        .chain(numbered)
        .find(|code| chart.journals.iter().all(|journal| journal.code != *code))
}

fn free_name(chart: &Chart, name: &str) -> String {
    let is_free = |name: &str| chart.journals.iter().all(|journal| journal.name != name);
    if is_free(name) {
        return name.to_owned();
    }
    (2_u32..1_000)
        .map(|number| format!("{name} ({number})"))
        .find(|name| is_free(name))
        .unwrap_or_default()
}
