//! Every column that holds something sealed: read, sealed anew and counted in the same way.
//!
//! What is sealed is named here and nowhere else. A test holds this list against the database's own.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::StoreError;
use super::data_keys::uuids;
use crate::crypto::Place;
use crate::domain::ids::MerchantId;

/// A column whose values are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedColumn {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The column that tells a merchant's rows apart: a UUID, or a hash whose first 16 bytes stand for the row.
    key: Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Id,
    Hash(&'static str),
}

macro_rules! sealed {
    ($($name:ident = $table:literal . $column:literal, $key:expr;)+) => {
        $(pub(super) const $name: SealedColumn = SealedColumn { table: $table, column: $column, key: $key };)+
        /// All of them.
        pub const SEALED: &[SealedColumn] = &[$($name),+];
    };
}

sealed! {
    PROVIDER_KEY = "provider_account"."secret_key_sealed", Key::Id;
    WEBHOOK_SECRET = "webhook_secret"."secret_sealed", Key::Id;
    ODOO_KEY = "odoo_instance"."api_key_sealed", Key::Id;
    SIGNING_SECRET = "signing_secret"."secret_sealed", Key::Id;
    PAYMENT_SECRET = "payment"."client_secret_sealed", Key::Id;
    SETUP_SECRET = "setup"."client_secret_sealed", Key::Id;
    CHECKOUT_URL = "checkout_session"."url_sealed", Key::Id;
    ANSWER = "idempotency_record"."body_sealed", Key::Hash("key_hash");
    EVENT = "webhook_event"."payload_sealed", Key::Id;
}

/// The columns of bytes that hold nothing sealed: hashes, and data keys, which are wrapped.
pub const NOT_SEALED: &[(&str, &str)] = &[
    ("api_key", "hash"),
    ("operator_key", "hash"),
    ("merchant", "creation_key"),
    ("idempotency_record", "key_hash"),
    ("idempotency_record", "fingerprint"),
    ("operation", "asked"),
    ("data_key", "wrapped"),
    ("audit_entry", "origin_digest"),
    ("audit_entry", "previous"),
    ("audit_entry", "hash"),
    ("audit_origin", "salt"),
    ("audit_head", "hash"),
];

/// One value, as it stands in its row.
#[derive(Clone)]
pub struct SealedRow {
    /// What tells its row from the merchant's others.
    pub key: Vec<u8>,
    /// It, where it is not sealed as wanted.
    pub sealed: Option<Vec<u8>>,
}

impl SealedColumn {
    /// The place of a value of this column.
    pub(super) const fn place(&self, merchant: MerchantId, row: Uuid) -> Place {
        Place {
            merchant: merchant.uuid(),
            table: self.table,
            column: self.column,
            row,
        }
    }

    /// The place of the value in the row with that key.
    #[must_use]
    pub fn place_of(&self, merchant: MerchantId, key: &[u8]) -> Option<Place> {
        let row = Uuid::from_slice(key.get(..16)?).ok()?;
        Some(self.place(merchant, row))
    }

    /// The key's column, how it is shown as bytes, and how bytes named `{}` become such a key.
    const fn key(&self) -> (&'static str, &'static str, &'static str) {
        match self.key {
            Key::Id => ("id", "uuid_send(id)", "encode(k, 'hex')::uuid"),
            Key::Hash(column) => (column, column, "k"),
        }
    }

    /// What comes before every key.
    #[must_use]
    pub const fn before_all(&self) -> &'static [u8] {
        match self.key {
            Key::Id => &[0; 16],
            Key::Hash(_) => &[],
        }
    }

    /// The next `limit` rows of a merchant's after a key: their keys, and what does not begin with that header.
    pub async fn list(
        &self,
        conn: &mut PgConnection,
        merchant: MerchantId,
        after: &[u8],
        header: &[u8],
        limit: i64,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let Self { table, column, .. } = self;
        let (key, shown, taken) = self.key();
        let rows: Vec<(Vec<u8>, Option<Vec<u8>>)> = sqlx::query_as(AssertSqlSafe(format!(
            "select {shown}, case when substr({column}, 1, $4) <> $3 then {column} end from {table}
             where merchant_id = $1 and {key} > (select {taken} from (values ($2::bytea)) as v (k))
             order by {key} limit $5"
        )))
        .bind(merchant)
        .bind(after)
        .bind(header)
        .bind(i32::try_from(header.len()).unwrap_or(i32::MAX))
        .bind(limit)
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(key, sealed)| SealedRow { key, sealed })
            .collect())
    }

    /// Writes values that were sealed anew, each where the old one still stands and nobody holds the row: who does is about to seal it
    /// anew. Waits for nobody, so that nobody waits for it in a circle. How many.
    pub async fn replace(
        &self,
        conn: &mut PgConnection,
        merchant: MerchantId,
        anew: &[Anew],
    ) -> Result<u64, StoreError> {
        let Self { table, column, .. } = self;
        let (key, _, taken) = self.key();
        let keys: Vec<&[u8]> = anew.iter().map(|each| each.key.as_slice()).collect();
        let old: Vec<&[u8]> = anew.iter().map(|each| each.old.as_slice()).collect();
        let new: Vec<&[u8]> = anew.iter().map(|each| each.new.as_slice()).collect();
        let done = sqlx::query(AssertSqlSafe(format!(
            "with n as materialized (
                 select {taken} as key, old, new from unnest($2::bytea[], $3::bytea[], $4::bytea[]) as n (k, old, new)
             ), free as materialized (
                 select {key} as key from {table} where merchant_id = $1 and {key} in (select key from n)
                 for no key update skip locked
             )
             update {table} t set {column} = n.new from n, free
             where t.merchant_id = $1 and t.{key} = n.key and free.key = n.key and t.{column} = n.old"
        )))
        .bind(merchant)
        .bind(keys)
        .bind(old)
        .bind(new)
        .execute(conn)
        .await?;
        Ok(done.rows_affected())
    }

    /// What these merchants' values are sealed with. The statement may take as long as it takes.
    pub async fn count(
        &self,
        conn: &mut PgConnection,
        merchants: &[MerchantId],
    ) -> Result<Counts, StoreError> {
        let Self { table, column, .. } = self;
        sqlx::query("select set_config('statement_timeout', '0', true)")
            .execute(&mut *conn)
            .await?;
        let rows: Vec<(Option<i32>, Option<String>, bool, i64)> = sqlx::query_as(AssertSqlSafe(format!(
            "with s as materialized (
                 select merchant_id, case when get_byte(header, 0) = 1 then null else
                     (get_byte(header, 1) << 24) + (get_byte(header, 2) << 16) + (get_byte(header, 3) << 8) + get_byte(header, 4)
                     end as version
                 from (select merchant_id, substr({column}, 1, 5) as header from {table}
                     where merchant_id = any($1) and {column} is not null) as headers
             )
             select s.version, k.kek_id, k.merchant_id is not null and k.retired_at is null, count(*)
             from s left join data_key k on k.merchant_id = s.merchant_id and k.version = s.version
             group by 1, 2, 3"
        )))
        .bind(uuids(merchants))
        .fetch_all(conn)
        .await?;
        let mut counts = Counts::default();
        for (version, kek, is_current, count) in rows {
            match (version, is_current) {
                (None, _) => counts.single_key += count,
                (Some(_), true) => counts.current += count,
                (Some(_), false) => counts.retired += count,
            }
            if let Some(version) = version {
                *counts.by_version.entry(version).or_default() += count;
            }
            if let Some(kek) = kek {
                *counts.by_kek.entry(kek).or_default() += count;
            }
        }
        Ok(counts)
    }
}

/// A value that was sealed anew.
#[derive(Clone)]
pub struct Anew {
    /// What tells its row from the merchant's others.
    pub key: Vec<u8>,
    /// As it was.
    pub old: Vec<u8>,
    /// As it is to be.
    pub new: Vec<u8>,
}

/// What the values of a column are sealed with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With the sealing key itself, before there were data keys.
    pub single_key: i64,
    /// With their merchant's newest data key.
    pub current: i64,
    /// With an earlier one.
    pub retired: i64,
    /// With the data keys of each version.
    pub by_version: BTreeMap<i32, i64>,
    /// With the data keys that each key-encryption key wraps.
    pub by_kek: BTreeMap<String, i64>,
}

impl Counts {
    /// Adds others to these.
    pub fn add(&mut self, other: Self) {
        self.single_key += other.single_key;
        self.current += other.current;
        self.retired += other.retired;
        for (version, count) in other.by_version {
            *self.by_version.entry(version).or_default() += count;
        }
        for (kek, count) in other.by_kek {
            *self.by_kek.entry(kek).or_default() += count;
        }
    }
}
