//! The journals and accounts of a stock Odoo: found or made, mapped, and looked at again.

use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::error::no;
use super::{App, AppError, commit, postings};
use crate::app::audit_log;
use crate::domain::audit_log::{Action, Actor};
use crate::domain::exception::{ExceptionKind, ITSELF, NewException};
use crate::domain::ids::{MerchantId, OdooInstanceId, ProviderAccountId};
use crate::domain::money::Currency;
use crate::sink::{
    Access, Books, Journals, LostDisputes, OdooInstance, Role, RpcAccess, SetUpReport, SetUpRequest,
    TaxChoice,
};
use crate::store;
use crate::store::StoreError;
use crate::store::exceptions::Closing;

/// How many instances are looked at at once.
const AT_ONCE: usize = 4;

/// What an operator asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What the account settles in; where none is named, what the provider holds for it, and the company's currency.
    pub currencies: Vec<Currency>,
    /// The company's name, where the key's user has several.
    pub company: Option<String>,
    /// The journals that are named for a currency: their short codes.
    pub journals: Vec<(Currency, String)>,
    /// The accounts that are named: their codes.
    pub accounts: BTreeMap<Role, String>,
    /// The short code of the journal of entries that move nothing at the provider.
    pub general_journal: Option<String>,
    /// The short code of the bank's journal, where we write the bank's side of payouts.
    pub bank_journal: Option<String>,
    /// What becomes of the invoice of a lost dispute.
    pub lost_disputes: LostDisputes,
    /// The purchase tax on fees; where nothing is said, that which was mapped before.
    pub fee_tax: Option<TaxChoice>,
    /// Whether refunds take back their sale by a credit note; where nothing is said, as before.
    pub credit_notes: Option<bool>,
}

/// Finds the journals and accounts of what an account holds; where `apply` says so, makes what is missing and maps them.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Invalid`] where another instance keeps these books; [`AppError::Sink`].
pub async fn set_up(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
    account: ProviderAccountId,
    wanted: Wanted,
    apply: bool,
) -> Result<SetUpReport, AppError> {
    let (url, access) = open(app, merchant, instance).await?;
    let with_company_currency = wanted.currencies.is_empty();
    let (provider, held) = held(app, merchant, account, with_company_currency).await?;
    let mut currencies = wanted.currencies;
    currencies.extend(held);
    currencies.extend(wanted.journals.iter().map(|(currency, _)| *currency));
    let request = SetUpRequest {
        provider,
        account,
        currencies,
        with_company_currency,
        company: wanted.company,
        known_journals: access.journals.standing_for(account),
        journals: wanted
            .journals
            .into_iter()
            .map(|(currency, code)| (currency.code().to_owned(), code))
            .collect(),
        accounts: wanted.accounts,
        general_journal: wanted.general_journal,
        bank_journal: wanted.bank_journal,
        lost_disputes: wanted.lost_disputes,
        fee_tax: wanted.fee_tax,
        credit_notes: wanted.credit_notes,
    };
    let mut conn = app.db.read(merchant).await?;
    for currency in &request.currencies {
        check_instance(&mut conn, merchant, instance, account, *currency).await?;
    }
    drop(conn);
    let report = app.sink.set_up_journals(&url, &access, &request, apply).await?;
    if apply && report.is_complete() {
        map(app, merchant, instance, account, &report).await?;
        let queued = postings::catch_up(app, merchant, account).await?;
        tracing::info!(queued, "what was booked before is on its way to Odoo");
    }
    Ok(report)
}

/// A stock Odoo, opened.
async fn open(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
) -> Result<(Url, RpcAccess), AppError> {
    let mut conn = app.db.read(merchant).await?;
    let OdooInstance { url, access, .. } =
        store::odoo_instances::get(&mut conn, &app.sealer, merchant, instance)
            .await
            .map_err(no("odoo instance"))?;
    match access {
        Access::Rpc(access) => Ok((url, access)),
        Access::Addon { .. } => Err(AppError::NotFound("odoo instance without the addon")),
    }
}

/// What people call an account's provider, and, where it is asked for, the currencies that it holds for the account.
async fn held(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    ask: bool,
) -> Result<(String, Vec<Currency>), AppError> {
    let known = {
        let mut conn = app.db.read(merchant).await?;
        let found = app.accounts.find(app, &mut conn, merchant, account).await?;
        found
            .filter(|known| known.account.merchant_id == merchant)
            .ok_or(AppError::NotFound("provider account"))?
    };
    let mut letters = known.account.provider.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let name = first.into_iter().chain(letters).collect();
    let provider = app.provider(&known.account.provider)?;
    let Some(settlement) = provider.settlement().filter(|_| ask) else {
        return Ok((name, Vec::new()));
    };
    let balance = settlement
        .fetch_balance(&known.account)
        .await
        .map_err(AppError::Provider)?;
    Ok((name, balance.into_iter().map(|money| money.currency).collect()))
}

/// Refuses to keep the books of one balance in two instances.
async fn check_instance(
    conn: &mut PgConnection,
    merchant: MerchantId,
    instance: OdooInstanceId,
    account: ProviderAccountId,
    currency: Currency,
) -> Result<(), AppError> {
    let keepers = store::odoo_journals::list_instances(conn, merchant, account).await?;
    let addon = store::book_keepers::find(conn, merchant, account).await?;
    match keepers.get(currency.code()).copied().or(addon) {
        Some(other) if other != instance => Err(AppError::Invalid {
            field: "odoo instance",
            code: "kept_elsewhere",
            message: format!("cannot keep {currency} of {account}: {other} does"),
        }),
        Some(_) | None => Ok(()),
    }
}

async fn map(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
    account: ProviderAccountId,
    report: &SetUpReport,
) -> Result<(), AppError> {
    let mut tx = app.begin(merchant).await?;
    store::provider_accounts::lock(&mut tx, merchant, account).await?;
    for (currency, _) in &report.books {
        check_instance(&mut tx, merchant, instance, account, *currency).await?;
    }
    for (currency, books) in &report.books {
        store::odoo_journals::upsert(&mut tx, merchant, (account, *currency), instance, books)
            .await
            .map_err(|error| {
                if matches!(error, StoreError::Conflict { .. }) {
                    return AppError::Invalid {
                        field: "journal",
                        code: "journal_taken",
                        message: format!("for {currency} stands for another account or currency already"),
                    };
                }
                error.into()
            })?;
    }
    // Journals are mapped at the command line alone.
    let currencies: Vec<&str> = report.books.iter().map(|(currency, _)| currency.code()).collect();
    let detail = json!({ "provider_account": account, "currencies": currencies });
    let actor = Actor::at_the_command_line();
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &actor,
        (Action::InstanceSetup, &instance),
        &detail,
    )
    .await?;
    commit(tx).await
}

/// A journal with what does not fit about it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The account that it stands for; none where the instance was added with it.
    pub account: Option<ProviderAccountId>,
    /// The currency that it stands for.
    pub currency: String,
    /// The journal.
    pub journal_id: i64,
    /// What does not fit any more, in words with what to do.
    pub findings: Vec<String>,
}

/// Looks at every journal of an instance, and opens or ends an exception on each.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Sink`] where Odoo cannot be asked.
pub async fn check(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
) -> Result<Vec<Checked>, AppError> {
    let checked = look_over(app, merchant, instance).await?;
    for seen in &checked {
        note(app, merchant, instance, seen).await?;
    }
    Ok(checked)
}

/// The same, for who only wants to know: notes nothing.
pub(super) async fn look_over(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
) -> Result<Vec<Checked>, AppError> {
    let (url, access) = open(app, merchant, instance).await?;
    app.sink.check_key(&url, &access).await?;
    let mut checked = Vec::new();
    for (account, books) in all(&access.journals) {
        checked.push(Checked {
            account,
            currency: books.currency.clone(),
            journal_id: books.journal_id,
            findings: app.sink.check_journal(&url, &access, books).await?,
        });
    }
    Ok(checked)
}

/// Each journal once, with the account that it stands for.
fn all(journals: &Journals) -> Vec<(Option<ProviderAccountId>, &Books)> {
    let mapped: Vec<_> = journals
        .mapped()
        .map(|(account, _, books)| (Some(account), books))
        .collect();
    let is_mapped = |books: &Books| {
        mapped
            .iter()
            .any(|(_, known)| known.journal_id == books.journal_id)
    };
    let whole = journals.whole().filter(|books| !is_mapped(books));
    let whole = whole.map(|books| (None, books));
    whole.into_iter().chain(mapped).collect()
}

async fn note(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
    seen: &Checked,
) -> Result<(), AppError> {
    const KIND: ExceptionKind = ExceptionKind::PostingDiffers;
    let subject = format!("{instance} journal {}", seen.journal_id);
    let now = app.clock.now();
    let mut tx = app.begin(merchant).await?;
    if seen.findings.is_empty() {
        let closing = Closing {
            reason: "a later look found it right",
            by: ITSELF,
            at: now,
        };
        store::exceptions::close(&mut tx, merchant, KIND, &[subject], closing).await?;
    } else {
        let detail = seen.findings.join("; ");
        let mut new = NewException::new(merchant, KIND, &subject, &detail);
        if let Some(account) = seen.account {
            new = new.at(account);
        }
        if store::exceptions::open(&mut tx, &new, now).await? {
            tracing::error!(instance_id = %instance, journal_id = seen.journal_id, "a journal of odoo does not fit any more");
        }
    }
    commit(tx).await
}

/// Looks at every journal of every instance once, beside everything else. An Odoo that cannot be asked keeps nobody waiting.
pub async fn look(app: Arc<App>, stop: CancellationToken) {
    tokio::select! {
        () = look_at_all(&app) => {}
        () = stop.cancelled() => {}
    }
}

#[tracing::instrument(name = "app.odoo.look", skip_all)]
async fn look_at_all(app: &App) {
    let instances = async {
        let mut conn = app.db.dispatch().await?;
        Ok(store::odoo_instances::list_enabled_rpc(&mut conn).await?)
    };
    let instances: Vec<_> = match instances.await {
        Ok(instances) => instances,
        Err::<_, AppError>(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the journals of odoo were not looked at"
            );
            return;
        }
    };
    stream::iter(instances)
        .for_each_concurrent(AT_ONCE, |(merchant, instance)| async move {
            if let Err(error) = check(app, merchant, instance).await {
                tracing::warn!(error = &error as &dyn std::error::Error, instance_id = %instance, "the journals of odoo could not be looked at");
            }
        })
        .await;
}
