//! Set-up of a stock Odoo: what postings need is found or made, and looked at again.
//!
//! What is made is imported under external ids that are never updated, as postings are (`load`), so that set-up may be ended
//! anywhere, repeated, and run twice at once. It goes in rounds: each reads all there is, and makes what can be made of what is
//! missing; it ends with the round that finds everything.

mod chart;
mod check;
mod journals;
mod plan;
mod roles;
mod taxes;

use std::collections::BTreeSet;

use serde::de::IgnoredAny;
use serde_json::json;

use crate::sink::{Books, SetUpReport, SetUpRequest, SinkError, StepState};

use super::client::Database;
use super::error::{differs, refused};
use super::load::load;
use chart::{Chart, find_company};
use plan::{Action, NewAccount, NewJournal, Plan};

pub(super) use check::check;

/// How many rounds there are at most: one for accounts and journals, one for what refers to them, one that finds everything,
/// and some for others who take the same codes at the same time.
const ROUNDS: u32 = 10;

/// What is needed, what is there, and, where `apply` says so, makes the rest. `known` are books found before, the account's own
/// first.
pub(super) async fn set_up(
    odoo: &Database<'_>,
    request: &SetUpRequest,
    known: &[Books],
    apply: bool,
) -> Result<SetUpReport, SinkError> {
    let company_id = match (&request.company, known.first()) {
        (None, Some(books)) => books.company_id,
        (name, _) => find_company(odoo, name.as_deref()).await?,
    };
    let odoo = &Database {
        company_id: Some(company_id),
        ..*odoo
    };
    let mut made: BTreeSet<String> = BTreeSet::new();
    let mut refusal = None;
    for _ in 0..ROUNDS {
        let mut chart = Chart::read(odoo, company_id).await?;
        if taxes::are_needed(request, known) {
            chart.taxes = taxes::read(odoo).await?;
        }
        let mut plan = Plan::make(&chart, request, known)?;
        if !plan.actions.is_empty() && made.is_empty() {
            plan.problems.extend(missing_rights(odoo, &plan.actions).await?);
        }
        let is_over = !apply || !plan.problems.is_empty() || plan.actions.is_empty();
        if is_over {
            return Ok(told(plan.report(), &made));
        }
        let missing = plan.steps.iter().filter(|step| step.state == StepState::ToMake);
        made.extend(missing.map(|step| step.purpose.clone()));
        refusal = match carry_out(odoo, &plan.actions).await {
            Err(SinkError::Refused { message }) => Some(message),
            other => other.map(|()| None)?,
        };
    }
    Err(refusal.map_or_else(
        || differs("what was made is not as it was made: run it again without --apply to see what differs"),
        refused,
    ))
}

/// A report in which what was missing before counts as made.
fn told(mut report: SetUpReport, made: &BTreeSet<String>) -> SetUpReport {
    for step in &mut report.steps {
        if step.state == StepState::Found && made.contains(&step.purpose) {
            step.state = StepState::Made;
        }
    }
    report
}

/// What the key's user may not do of what is to be done.
async fn missing_rights(odoo: &Database<'_>, actions: &[Action]) -> Result<Vec<String>, SinkError> {
    let mut needed: BTreeSet<(&str, &str)> = BTreeSet::new();
    for action in actions {
        match action {
            Action::Activate { .. } => needed.insert(("res.currency", "write")),
            Action::Account(_) => needed.insert(("account.account", "create")),
            Action::Journal(_) => {
                needed.insert(("account.payment.method.line", "write"));
                needed.insert(("account.journal", "create"))
            }
            Action::Wait { .. } => needed.insert(("account.payment.method.line", "write")),
        };
    }
    let mut lacking = Vec::new();
    for (model, operation) in needed {
        let arguments = json!({ "operation": operation });
        if !odoo.call::<bool>(model, "has_access", arguments).await? {
            lacking.push(format!("{operation} {model}"));
        }
    }
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "the key's user may not {}: add the user to the group Accounting / Administrator (account.group_account_manager), \
         for as long as this takes, or make by hand what is missing here and name it with --account and --journal",
        lacking.join(", ")
    )])
}

async fn carry_out(odoo: &Database<'_>, actions: &[Action]) -> Result<(), SinkError> {
    let mut accounts: Vec<&NewAccount> = Vec::new();
    for action in actions {
        match action {
            Action::Activate { currency_id } => {
                let activation = json!({ "ids": [currency_id], "vals": { "active": true } });
                odoo.call::<IgnoredAny>("res.currency", "write", activation)
                    .await?;
            }
            Action::Account(new) => accounts.push(new),
            Action::Journal(_) | Action::Wait { .. } => {}
        }
    }
    if !accounts.is_empty() {
        make_accounts(odoo, &accounts).await?;
    }
    for action in actions {
        match action {
            Action::Journal(new) => make_journal(odoo, new).await?,
            Action::Wait { line_id, account_id } => {
                let waits = json!({ "ids": [line_id], "vals": { "payment_account_id": account_id } });
                odoo.call::<IgnoredAny>("account.payment.method.line", "write", waits)
                    .await?;
            }
            Action::Activate { .. } | Action::Account(_) => {}
        }
    }
    Ok(())
}

async fn make_accounts(odoo: &Database<'_>, accounts: &[&NewAccount]) -> Result<(), SinkError> {
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|new| {
            let reconcile = if new.reconcile { "1" } else { "0" };
            [&new.external_id, &new.code, &new.name, new.kind, reconcile]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    let fields = ["id", "code", "name", "account_type", "reconcile"];
    load(odoo, "account.account", &fields, &rows).await.map(|_| ())
}

async fn make_journal(odoo: &Database<'_>, new: &NewJournal) -> Result<(), SinkError> {
    let currency = new.currency_id.map(|id| id.to_string()).unwrap_or_default();
    let row = vec![
        new.external_id.clone(),
        new.name.clone(),
        new.code.clone(),
        "bank".to_owned(),
        currency,
    ];
    let fields = ["id", "name", "code", "type", "currency_id/.id"];
    load(odoo, "account.journal", &fields, &[row]).await.map(|_| ())
}
