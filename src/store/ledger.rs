//! The ledger: transactions and their entries, written once.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::{LedgerTransactionId, MerchantId, PaymentId, ProviderAccountId};
use crate::domain::ledger::{Entries, LedgerAccount, LineBookings};
use crate::domain::money::Money;

/// What is to be booked of an account at a provider.
#[derive(Clone, Debug)]
pub struct NewTransaction {
    /// What happened (`txn_…`, `paid:po_…`): it is booked once.
    pub source: String,
    /// The payment that it belongs to, where it does.
    pub payment_id: Option<PaymentId>,
    /// When it happened: of a line, by the provider's clock; of a payout, when we heard of it.
    pub occurred_at: OffsetDateTime,
    /// Where it goes.
    pub entries: Entries,
}

/// Books transactions of one account, many in two statements. One whose source is booked already is passed over.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    transactions: &[NewTransaction],
) -> Result<(), StoreError> {
    if transactions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = transactions
        .iter()
        .map(|_| LedgerTransactionId::generate().uuid())
        .collect();
    let sources: Vec<&str> = transactions.iter().map(|each| each.source.as_str()).collect();
    let payments: Vec<Option<Uuid>> = transactions
        .iter()
        .map(|each| each.payment_id.map(PaymentId::uuid))
        .collect();
    let occurred: Vec<OffsetDateTime> = transactions.iter().map(|each| each.occurred_at).collect();
    let booked: Vec<Uuid> = sqlx::query_scalar(
        "insert into ledger_transaction (merchant_id, provider_account_id, id, source, payment_id, occurred_at)
         select $1, $2, * from unnest($3::uuid[], $4::text[], $5::uuid[], $6::timestamptz[])
         on conflict (merchant_id, provider_account_id, source) do nothing returning id",
    )
    .bind(merchant)
    .bind(account)
    .bind(&ids)
    .bind(sources)
    .bind(payments)
    .bind(occurred)
    .fetch_all(&mut *conn)
    .await?;
    let booked: std::collections::HashSet<Uuid> = booked.into_iter().collect();
    let (mut of, mut lines, mut accounts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut currencies, mut amounts) = (Vec::new(), Vec::new());
    for (transaction, id) in transactions.iter().zip(ids) {
        if !booked.contains(&id) {
            continue;
        }
        for (entry, line) in transaction.entries.iter().zip(0_i16..) {
            of.push(id);
            lines.push(line);
            accounts.push(entry.account);
            currencies.push(entry.amount.currency.code());
            amounts.push(entry.amount.minor);
        }
    }
    sqlx::query(
        "insert into ledger_entry (merchant_id, provider_account_id, transaction_id, line, account, currency, amount_minor)
         select $1, $2, * from unnest($3::uuid[], $4::smallint[], $5::text[], $6::text[], $7::bigint[])",
    )
    .bind(merchant)
    .bind(account)
    .bind(of)
    .bind(lines)
    .bind(accounts)
    .bind(currencies)
    .bind(amounts)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a source is booked.
pub async fn is_booked(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    source: &str,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select exists (select from ledger_transaction
             where merchant_id = $1 and provider_account_id = $2 and source = $3)",
    )
    .bind(merchant)
    .bind(account)
    .bind(source)
    .fetch_one(conn)
    .await?)
}

/// What an account of the ledger holds in one currency.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Held {
    /// The account.
    pub account: LedgerAccount,
    /// The currency, ISO 4217.
    pub currency: String,
    /// Debits without credits, in minor units.
    pub balance_minor: i64,
}

/// What every account of the ledger holds of an account at a provider, by currency.
pub async fn list_balances(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<Held>, StoreError> {
    Ok(sqlx::query_as(
        "select account, currency, sum(amount_minor)::bigint as balance_minor from ledger_entry
         where merchant_id = $1 and provider_account_id = $2
         group by account, currency having sum(amount_minor) <> 0 order by currency, account",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(conn)
    .await?)
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    source: String,
    account: LedgerAccount,
    currency: String,
    amount_minor: i64,
}

/// All that was booked about a line.
pub async fn list_of_line(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    line: &str,
) -> Result<LineBookings, StoreError> {
    let rows: Vec<EntryRow> = sqlx::query_as(
        "select t.source, e.account, e.currency, e.amount_minor
         from ledger_transaction t
         join ledger_entry e on e.merchant_id = t.merchant_id and e.provider_account_id = t.provider_account_id
             and e.transaction_id = t.id
         where t.merchant_id = $1 and t.provider_account_id = $2 and ledger_subject(t.source) = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(line)
    .fetch_all(conn)
    .await?;
    let mut booked = LineBookings::default();
    for row in rows {
        let currency = row
            .currency
            .parse()
            .map_err(|error| StoreError::corrupt("ledger_entry", &error))?;
        booked.add(&row.source, row.account, Money::new(row.amount_minor, currency));
    }
    Ok(booked)
}

/// What stays in Suspense of an account because a person accepted it, by currency, in minor units.
pub async fn sum_accepted(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "select e.currency, sum(e.amount_minor)::bigint
         from exception x
         join ledger_transaction t on t.merchant_id = x.merchant_id and t.provider_account_id = x.provider_account_id
             and ledger_subject(t.source) = x.subject
         join ledger_entry e on e.merchant_id = t.merchant_id and e.provider_account_id = t.provider_account_id
             and e.transaction_id = t.id
         where x.merchant_id = $1 and x.provider_account_id = $2 and x.accepted and x.kind = any($3) and e.account = $4
         group by e.currency having sum(e.amount_minor) <> 0",
    )
    .bind(merchant)
    .bind(account)
    .bind(ExceptionKind::OF_LINES)
    .bind(LedgerAccount::Suspense)
    .fetch_all(conn)
    .await?)
}
