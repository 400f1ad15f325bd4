//! Payments that did not start here, linked afterwards to what they pay in Odoo.

use serde_json::json;
use sqlx::PgConnection;

use super::auth::Operator;
use super::error::no;
use super::exceptions::{ExceptionDetail, detail};
use super::payments::choose_instance;
use super::{App, AppError, commit, reconciliation};
use crate::app::audit_log;
use crate::domain::audit_log::Action;
use crate::domain::exception::{Exception, ExceptionKind, ExceptionState};
use crate::domain::ids::{ExceptionId, OdooInstanceId, ProviderAccountId};
use crate::domain::ledger::SuspenseRuleBroken;
use crate::domain::line_link::LineLink;
use crate::domain::money::Money;
use crate::domain::payment::Reference;
use crate::domain::posting::Settles;
use crate::domain::reason::Reason;
use crate::store;
use crate::store::exceptions::lists;

/// What a person says that a line pays.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// What Odoo calls what it pays.
    pub reference: Reference,
    /// The documents that it settles.
    pub settles: Vec<Settles>,
    /// Whose books it goes into; may be left out where the merchant has one instance or none.
    pub odoo_instance: Option<OdooInstanceId>,
    /// Why, where there is more to say than that it is so.
    pub reason: Option<Reason>,
}

/// Links the line of an exception to what it pays, and resolves the exception with that. The same again changes nothing.
///
/// # Errors
/// [`AppError::Suspense`] where it is of no customer's money, resolved, or linked to something else; [`AppError::Invalid`] where the
/// documents take more than it has.
pub async fn link(
    app: &App,
    operator: &Operator,
    id: ExceptionId,
    new: &NewLink,
) -> Result<ExceptionDetail, AppError> {
    let mut tx = app.begin(operator.merchant_id).await?;
    let mut held = lists::lock(&mut tx, operator.merchant_id, operator.live, id)
        .await
        .map_err(no("exception"))?;
    let is_foreign = held.kind == ExceptionKind::ForeignLine;
    let account = held
        .provider_account_id
        .filter(|_| is_foreign)
        .ok_or(SuspenseRuleBroken::NotLinkable)?;
    if is_linked(&mut tx, &held, account, new).await? {
        return detail(&mut tx, operator, id).await;
    }
    if held.state() != ExceptionState::Open {
        return Err(SuspenseRuleBroken::Resolved.into());
    }
    let now = app.clock.now();
    let (merchant, subject) = (held.merchant_id, &held.subject);
    let amount = store::balance_transactions::get_presented(&mut tx, merchant, account, subject).await?;
    check_settles(&new.settles, amount)?;
    let reason = reason(new)?;
    let link = LineLink {
        merchant_id: merchant,
        provider_account_id: account,
        balance_transaction: subject.clone(),
        exception_id: id,
        odoo_instance_id: choose_instance(&mut tx, app, merchant, new.odoo_instance).await?,
        reference: new.reference.clone(),
        settles: new.settles.clone(),
        amount,
        reason: reason.as_str().to_owned(),
        by: operator.name.clone(),
        at: now,
    };
    store::line_links::insert(&mut tx, &link).await?;
    reconciliation::on_linked(app, &mut tx, &link).await?;
    if let Some(change) = held.resolve(&reason, &operator.name, now)? {
        store::exceptions::update(&mut tx, &held, &change).await?;
    }
    let shown = detail(&mut tx, operator, id).await?;
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &operator.actor(),
        (Action::ExceptionLink, &id),
        &json!({}),
    )
    .await?;
    commit(tx).await?;
    tracing::info!(exception_id = %id, balance_transaction = link.balance_transaction, by = link.by, "a line was linked by hand");
    Ok(shown)
}

/// Whether it is linked to that already.
async fn is_linked(
    conn: &mut PgConnection,
    held: &Exception,
    account: ProviderAccountId,
    new: &NewLink,
) -> Result<bool, AppError> {
    let known = store::line_links::find(conn, held.merchant_id, account, &held.subject).await?;
    let Some(known) = known else { return Ok(false) };
    if known.reference == new.reference && known.settles == new.settles {
        return Ok(true);
    }
    let reference = known.reference.as_str().to_owned();
    Err(SuspenseRuleBroken::Linked { reference }.into())
}

/// The documents take no more than there is.
fn check_settles(settles: &[Settles], amount: Money) -> Result<(), AppError> {
    let taken: i128 = settles
        .iter()
        .map(|document| i128::from(document.amount_minor))
        .sum();
    if taken > i128::from(amount.minor).abs() {
        return Err(AppError::Invalid {
            field: "settles",
            code: "invalid_amount",
            message: format!("takes more than the {amount} of the line"),
        });
    }
    Ok(())
}

fn reason(new: &NewLink) -> Result<Reason, AppError> {
    let linked = format!("linked to {}", new.reference.as_str());
    let words = match &new.reason {
        Some(reason) => format!("{linked}: {}", reason.as_str()),
        None => linked,
    };
    Reason::parse(&words).map_err(|error| AppError::Invalid {
        field: "reason",
        code: "invalid_reason",
        message: error.to_string(),
    })
}
