//! The proof that nothing is missing: what the provider holds against what the ledger says, with each difference named.

use sqlx::PgConnection;

use super::auth::Operator;
use super::{App, AppError};
use crate::domain::exception::{Exception, ExceptionState};
use crate::domain::ids::ProviderAccountId;
use crate::domain::ledger::LedgerAccount;
use crate::domain::money::{Currency, Money};
use crate::store;
use crate::store::StoreError;
use crate::store::exceptions::lists::{self, ExceptionFilter};

/// How many open differences an audit names; the list of exceptions has the others.
const NAMED: i64 = 100;

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// Each account in each of its currencies.
    pub balances: Vec<Balance>,
    /// What is open, newest first: a hundred at most.
    pub open: Vec<Exception>,
}

impl Audit {
    /// Whether the provider and the ledger agree and no difference is open.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        self.open.is_empty()
            && self
                .balances
                .iter()
                .all(|balance| balance.difference().minor == 0)
    }
}

/// One currency of an account.
#[derive(Clone, Debug)]
pub struct Balance {
    /// The account.
    pub provider_account_id: ProviderAccountId,
    /// What the provider holds, read before the ledger was summed.
    pub provider: Money,
    /// By how much that moved until the ledger was summed, in minor units: lines that are on their way to us.
    pub in_flight_minor: i64,
    /// What the ledger says that the provider holds, in minor units.
    pub ledger_minor: i64,
    /// The nets of the lines that are read and wait to be booked, in minor units.
    pub unbooked_minor: i64,
    /// What waits in Suspense, in minor units: debits are positive.
    pub suspense_minor: i64,
    /// How much of that stays there because a person accepted it as it stands.
    pub accepted_minor: i64,
}

impl Balance {
    /// What the provider holds more than is known here; none of what moved in between counts.
    #[must_use]
    pub fn difference(&self) -> Money {
        let known = self.ledger_minor + self.unbooked_minor;
        let (before, after) = (
            self.provider.minor - known,
            self.provider.minor + self.in_flight_minor - known,
        );
        let least = if before.abs() <= after.abs() {
            before
        } else {
            after
        };
        Money::new(least, self.provider.currency)
    }
}

/// Holds every account of a merchant's mode against its ledger.
pub async fn audit(app: &App, operator: &Operator) -> Result<Audit, AppError> {
    let (merchant, live) = (operator.merchant_id, operator.live);
    let ids = {
        let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
        store::provider_accounts::list_ids(&mut conn, merchant, live).await?
    };
    let mut balances = Vec::new();
    for id in ids {
        balances.extend(audit_account(app, operator, id).await?);
    }
    let filter = ExceptionFilter {
        state: Some(ExceptionState::Open),
        ..ExceptionFilter::default()
    };
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let open = lists::list(&mut conn, merchant, live, &filter, None, NAMED).await?;
    Ok(Audit { balances, open })
}

async fn audit_account(
    app: &App,
    operator: &Operator,
    id: ProviderAccountId,
) -> Result<Vec<Balance>, AppError> {
    let known = {
        let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
        app.accounts.get(app, &mut conn, id).await?
    };
    let Some(settlement) = app.provider(&known.account.provider)?.settlement() else {
        return Ok(Vec::new());
    };
    let read = async || {
        settlement
            .fetch_balance(&known.account)
            .await
            .map_err(AppError::Provider)
    };
    let before = read().await?;
    let sums = {
        // At one moment: a line is either booked or waits.
        let mut tx = app.begin_to_read().await?;
        sum(&mut tx, operator, id).await?
    };
    let after = read().await?;
    let mut currencies: Vec<Currency> = before.iter().map(|held| held.currency).collect();
    for currency in sums.iter().map(|(currency, ..)| *currency) {
        if !currencies.contains(&currency) {
            currencies.push(currency);
        }
    }
    let of = |held: &[Money], currency| {
        held.iter()
            .find(|held| held.currency == currency)
            .map_or(0, |held| held.minor)
    };
    Ok(currencies
        .into_iter()
        .map(|currency| {
            let of_kind = |kind| {
                let found = sums.iter().find(|(of, what, _)| *of == currency && *what == kind);
                found.map_or(0, |(.., minor)| *minor)
            };
            let provider = Money::new(of(&before, currency), currency);
            Balance {
                provider_account_id: id,
                provider,
                in_flight_minor: of(&after, currency) - provider.minor,
                ledger_minor: of_kind(Sum::Ledger),
                unbooked_minor: of_kind(Sum::Unbooked),
                suspense_minor: of_kind(Sum::Suspense),
                accepted_minor: of_kind(Sum::Accepted),
            }
        })
        .collect())
}

/// What is summed of an account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sum {
    Ledger,
    Suspense,
    Accepted,
    Unbooked,
}

async fn sum(
    conn: &mut PgConnection,
    operator: &Operator,
    id: ProviderAccountId,
) -> Result<Vec<(Currency, Sum, i64)>, AppError> {
    let merchant = operator.merchant_id;
    let currency = |code: &str| {
        code.parse()
            .map_err(|error| StoreError::corrupt("ledger_entry", &error))
    };
    let mut sums = Vec::new();
    let held = store::ledger::list_balances(conn, merchant, id).await?;
    for held in held {
        for (account, kind) in [
            (LedgerAccount::ProviderBalance, Sum::Ledger),
            (LedgerAccount::Suspense, Sum::Suspense),
        ] {
            if held.account == account {
                sums.push((currency(&held.currency)?, kind, held.balance_minor));
            }
        }
    }
    for (code, minor) in store::ledger::sum_accepted(conn, merchant, id).await? {
        sums.push((currency(&code)?, Sum::Accepted, minor));
    }
    for (code, _, minor) in store::balance_transactions::sum_unbooked(conn, merchant, id).await? {
        sums.push((currency(&code)?, Sum::Unbooked, minor));
    }
    Ok(sums)
}
