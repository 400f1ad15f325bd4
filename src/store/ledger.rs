//! The ledger: transactions and their entries, written once.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::{LedgerTransactionId, MerchantId, OdooInstanceId, PaymentId, ProviderAccountId};
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
    transactions: &[&NewTransaction],
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

/// A transaction for which no message to an Odoo was queued.
#[derive(Clone, Debug)]
pub struct Unqueued {
    /// Its id, by which the next ones are found.
    pub id: Uuid,
    /// The transaction.
    pub transaction: NewTransaction,
    /// The Odoo that is told of its payment.
    pub odoo_instance: Option<OdooInstanceId>,
    /// What people read beside it, where it is a line of the provider's.
    pub label: Option<String>,
    /// What a line is about: a charge, or a refund that may have come back.
    pub about: Option<String>,
    /// Whether that is a refund which came back.
    pub is_returned: bool,
    /// The charge of its payment.
    pub charge_reference: Option<String>,
    /// What a lost dispute took whole, in the currency that the customer paid in, where its entries are in another.
    pub disputed: Option<Money>,
}

#[derive(sqlx::FromRow)]
struct UnqueuedRow {
    id: Uuid,
    source: String,
    payment_id: Option<PaymentId>,
    occurred_at: OffsetDateTime,
    odoo_instance_id: Option<OdooInstanceId>,
    label: Option<String>,
    about: Option<String>,
    is_returned: bool,
    charge_reference: Option<String>,
    disputed: Option<Json<(i64, String)>>,
    entries: Json<Vec<(LedgerAccount, String, i64)>>,
}

impl TryFrom<UnqueuedRow> for Unqueued {
    type Error = StoreError;

    fn try_from(row: UnqueuedRow) -> Result<Self, StoreError> {
        let corrupt = |what: &dyn std::fmt::Display| StoreError::corrupt("ledger_entry", &what);
        let entries = row
            .entries
            .0
            .into_iter()
            .map(|(account, code, minor)| {
                let currency = code.parse().map_err(|error| corrupt(&error))?;
                Ok((account, Money::new(minor, currency)))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let disputed = match row.disputed {
            Some(Json((minor, code))) => {
                let currency = code.parse().map_err(|error| corrupt(&error))?;
                Some(Money::new(minor, currency))
            }
            None => None,
        };
        let is_other = |disputed: &Money| {
            let mut entries = entries.iter();
            entries.all(|(_, amount)| amount.currency != disputed.currency)
        };
        let disputed = disputed.filter(is_other);
        Ok(Self {
            id: row.id,
            label: row.label,
            charge_reference: row.charge_reference,
            disputed,
            odoo_instance: row.odoo_instance_id,
            about: row.about,
            is_returned: row.is_returned,
            transaction: NewTransaction {
                source: row.source,
                payment_id: row.payment_id,
                occurred_at: row.occurred_at,
                entries: Entries::balanced(entries).map_err(|error| corrupt(&error))?,
            },
        })
    }
}

/// Transactions of an account for which no message was queued, after the one with the id `after`, `limit` at most.
pub async fn list_unqueued(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Unqueued>, StoreError> {
    let rows: Vec<UnqueuedRow> = sqlx::query_as(
        "select t.id, t.source, t.payment_id, t.occurred_at, p.odoo_instance_id, p.charge_reference,
             coalesce(b.source, b.description, b.kind) as label, b.source as about,
             b.amount_minor > 0 and exists (select from refund r where r.merchant_id = t.merchant_id
                 and r.provider_account_id = t.provider_account_id and r.provider_reference = b.source) is true as is_returned,
             (select jsonb_build_array(d.amount_minor, d.currency) from dispute d where d.merchant_id = t.merchant_id
                 and d.provider_account_id = t.provider_account_id and d.provider_reference = split_part(t.source, ':', 2)
                 and t.source = 'lost:' || d.provider_reference || ':1'
                 and not exists (select from balance_transaction r where r.merchant_id = d.merchant_id
                     and r.provider_account_id = d.provider_account_id and r.source = d.provider_reference
                     and r.amount_minor > 0)) as disputed,
             (select jsonb_agg(jsonb_build_array(e.account, e.currency, e.amount_minor) order by e.line) from ledger_entry e
                 where e.merchant_id = t.merchant_id and e.provider_account_id = t.provider_account_id
                   and e.transaction_id = t.id) as entries
         from ledger_transaction t
         left join balance_transaction b on b.merchant_id = t.merchant_id
             and b.provider_account_id = t.provider_account_id and b.id = t.source
         left join payment p on p.merchant_id = t.merchant_id and p.id = t.payment_id
         where t.merchant_id = $1 and t.provider_account_id = $2 and ($3::uuid is null or t.id > $3)
           -- A link names its own Odoo, or none.
           and not starts_with(t.source, 'link:')
           and exists (select from ledger_entry e where e.merchant_id = t.merchant_id
                 and e.provider_account_id = t.provider_account_id and e.transaction_id = t.id)
           and not exists (select from outbox_message m where m.merchant_id = t.merchant_id
                 and m.provider_account_id = t.provider_account_id and m.posting_key = t.source)
         order by t.id limit $4",
    )
    .bind(merchant)
    .bind(account)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Unqueued::try_from).collect()
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

/// What every account of the ledger holds of an account at a provider, by currency, out of all entries: it takes as long as there are
/// many.
pub async fn sum_all(
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

/// How often at most a dispute can be lost: each time its bank gave the money back and took it again.
const LOSSES: i32 = 32;

/// What the lines of a dispute, and what was booked as lost of it, left on Disputes in one currency.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Disputed {
    /// The currency, ISO 4217.
    pub currency: String,
    /// Debits without credits, in minor units.
    pub minor: i64,
    /// How often some of it was booked as lost.
    pub losses: i64,
    /// How many lines brought something back.
    pub returns: i64,
}

/// What is left on Disputes of a dispute, by currency in minor units, and how often some of it was booked as lost.
pub async fn list_disputed(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    dispute: &str,
) -> Result<Vec<Disputed>, StoreError> {
    Ok(sqlx::query_as(
        "select e.currency, sum(e.amount_minor)::bigint as minor, count(*) filter (where starts_with(t.source, 'lost:')) as losses,
             count(*) filter (where e.amount_minor < 0 and not starts_with(t.source, 'lost:')) as returns
         from (select id as source from balance_transaction
                 where merchant_id = $1 and provider_account_id = $2 and source = $3
             union all select 'lost:' || $3 || ':' || number from generate_series(1, $4) number) named
         join ledger_transaction t on t.merchant_id = $1 and t.provider_account_id = $2 and t.source = named.source
         join ledger_entry e on e.merchant_id = t.merchant_id and e.provider_account_id = t.provider_account_id
             and e.transaction_id = t.id and e.account = 'disputes'
         group by e.currency",
    )
    .bind(merchant)
    .bind(account)
    .bind(dispute)
    .bind(LOSSES)
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
         where t.merchant_id = $1 and t.provider_account_id = $2 and t.subject = $3",
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
             and t.subject = x.subject
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
