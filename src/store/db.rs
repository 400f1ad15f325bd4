//! The ways into Postgres. Each is a transaction that names its merchants and takes on a role that sees no others.
//!
//! Nothing of it outlives the transaction (`set local`), and it goes out with the `begin`: naming the merchant costs no round trip,
//! leaks into no other use of the connection, and works behind a pooler that hands connections out by the transaction.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{StoreError, provider_accounts};
use crate::domain::ids::{MerchantId, ProviderAccountId};

/// A transaction: it ends with its commit, and is as if it had never been where it is dropped.
pub type Tx = Transaction<'static, Postgres>;

/// Postgres, as the application may use it.
#[derive(Clone, Debug)]
pub struct Db(PgPool);

/// Whom a transaction acts as.
#[derive(Clone, Copy, Debug)]
enum Role {
    /// Sees the rows of the merchants that it names.
    App,
    /// Sees of all merchants what is due, and no more of it than that.
    Dispatch,
}

impl Role {
    const ALL: [Self; 2] = [Self::App, Self::Dispatch];

    const fn name(self) -> &'static str {
        match self {
            Self::App => "quittance_app",
            Self::Dispatch => "quittance_dispatch",
        }
    }
}

/// Why a login cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Migrations make it.
    #[error("the database has no role {0}: run `quittance migrate`")]
    RoleMissing(&'static str),
    /// Somebody else made it.
    #[error("the login of QUITTANCE_DATABASE_URL may not act as {0}: run `grant {0} to <login>` as who may")]
    NotGranted(&'static str),
    /// It would see every merchant's rows.
    #[error(
        "the role {0} could get past row-level security: it must be no superuser, not have BYPASSRLS, and neither own tables nor belong to who does"
    )]
    Bypasses(&'static str),
    /// No answer.
    #[error("the database failed")]
    Store(#[from] StoreError),
}

/// SQLSTATE of a role that does not exist, and of one that the login may not take on.
const NO_SUCH_ROLE: &str = "22023";
const MAY_NOT: &str = "42501";

impl Db {
    /// The application's ways over a pool. Whatever session state a connection has, it does not need.
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// Begins to work for one merchant.
    pub async fn begin(&self, merchant: MerchantId) -> Result<Tx, StoreError> {
        self.begin_for([merchant]).await
    }

    /// Begins to work for several merchants, and for nobody else.
    pub async fn begin_for(
        &self,
        merchants: impl IntoIterator<Item = MerchantId> + Send,
    ) -> Result<Tx, StoreError> {
        let merchants = list(merchants);
        self.begin_as("begin", Role::App, &[("merchants", &merchants)])
            .await
    }

    /// Begins to read what is one merchant's, each statement as it stands then. Nothing can be written.
    pub async fn read(&self, merchant: MerchantId) -> Result<Tx, StoreError> {
        self.read_for([merchant]).await
    }

    /// Begins to read what is several merchants'; with none, what is nobody's.
    pub async fn read_for(
        &self,
        merchants: impl IntoIterator<Item = MerchantId> + Send,
    ) -> Result<Tx, StoreError> {
        let merchants = list(merchants);
        self.begin_as("begin read only", Role::App, &[("merchants", &merchants)])
            .await
    }

    /// Begins to read what must have stood together at one moment.
    pub async fn read_at_once(&self, merchant: MerchantId) -> Result<Tx, StoreError> {
        self.read_at_once_for([merchant]).await
    }

    /// The same of several merchants.
    pub async fn read_at_once_for(
        &self,
        merchants: impl IntoIterator<Item = MerchantId> + Send,
    ) -> Result<Tx, StoreError> {
        let how = "begin isolation level repeatable read, read only";
        self.begin_as(how, Role::App, &[("merchants", &list(merchants))])
            .await
    }

    /// Begins to take up what is due of all merchants: columns of queues, and nothing else. The work is done for one merchant then.
    pub async fn dispatch(&self) -> Result<Tx, StoreError> {
        self.begin_as("begin", Role::Dispatch, &[]).await
    }

    /// Begins to read the one API key that was presented, by its hash, whosever it is.
    pub async fn read_presented(&self, hash: &[u8; 32]) -> Result<Tx, StoreError> {
        let hex = hash.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _never_fails = write!(text, "{byte:02x}");
            text
        });
        self.begin_as("begin read only", Role::App, &[("presented_key", &hex)])
            .await
    }

    /// Begins to read for whoever has an account, and says who that is; none where nobody has it. A round trip less than asking first.
    pub async fn read_for_account(
        &self,
        account: ProviderAccountId,
    ) -> Result<Option<(MerchantId, Tx)>, StoreError> {
        let mut tx = self.read_for([]).await?;
        let found = provider_accounts::enter(&mut tx, account).await?;
        Ok(found.map(|merchant| (merchant, tx)))
    }

    /// How many connections are in use, how many wait for use, and how many there may be.
    #[must_use]
    pub fn connections(&self) -> [(&'static str, u32); 3] {
        let idle = u32::try_from(self.0.num_idle()).unwrap_or(u32::MAX);
        let used = self.0.size().saturating_sub(idle);
        [
            ("used", used),
            ("idle", idle),
            ("most", self.0.options().get_max_connections()),
        ]
    }

    /// A connection of nobody's: outside of a transaction it is the login itself, which sees no row.
    pub(super) async fn acquire(&self) -> Result<sqlx::pool::PoolConnection<Postgres>, StoreError> {
        Ok(self.0.acquire().await?)
    }

    /// Whether the login may act in both roles, and neither can get past the policies.
    ///
    /// # Errors
    /// [`Unfit`].
    pub async fn check(&self) -> Result<(), Unfit> {
        for role in Role::ALL {
            let mut tx = match self.begin_as("begin read only", role, &[]).await {
                Err(StoreError::Database(sqlx::Error::Database(error))) => {
                    return Err(match error.code().as_deref() {
                        Some(NO_SUCH_ROLE) => Unfit::RoleMissing(role.name()),
                        Some(MAY_NOT) => Unfit::NotGranted(role.name()),
                        _ => Unfit::Store(StoreError::Database(sqlx::Error::Database(error))),
                    });
                }
                begun => begun?,
            };
            if may_bypass(&mut tx).await? {
                return Err(Unfit::Bypasses(role.name()));
            }
        }
        Ok(())
    }

    /// One message to the server, and one back. The values are ours: ids and hexadecimals.
    ///
    /// It goes on without its caller: sqlx does not undo a `begin` that is given up half-way, and whoever had the connection next
    /// would go on in a transaction that is for somebody else.
    async fn begin_as(&self, how: &str, role: Role, named: &[(&str, &str)]) -> Result<Tx, StoreError> {
        let mut sql = format!("{how}; set local role {}", role.name());
        for (name, value) in named {
            let _never_fails = write!(sql, "; set local quittance.{name} = '{value}'");
        }
        let pool = self.0.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "it writes nothing: nobody has to wait for it"
        )]
        let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(sql)).await });
        Ok(begun.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
    }
}

/// Merchants, each once, as policies read them.
fn list(merchants: impl IntoIterator<Item = MerchantId>) -> String {
    let each: BTreeSet<Uuid> = merchants.into_iter().map(MerchantId::uuid).collect();
    let mut text = String::with_capacity(each.len() * 37);
    for merchant in each {
        if !text.is_empty() {
            text.push(',');
        }
        let _never_fails = write!(text, "{merchant}");
    }
    text
}

/// Whether the role of a transaction is bound by no policy, or could take one away.
async fn may_bypass(conn: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select rolsuper or rolbypassrls or exists (
             select from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')
                 and pg_has_role(current_user, relowner, 'member'))
         from pg_roles where rolname = current_user",
    )
    .fetch_one(conn)
    .await?)
}
