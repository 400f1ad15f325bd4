//! The proof that nothing is missing: what the provider holds against what the ledger says, with each difference named.

mod odoo;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::auth::Operator;
use super::{App, AppError, commit};
use crate::domain::exception::{Exception, ExceptionState};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::ledger::LedgerAccount;
use crate::domain::money::{Currency, Money};
use crate::store;
use crate::store::StoreError;
use crate::store::exceptions::lists::{self, ExceptionFilter};
use crate::store::ledger::Held;

pub use crate::store::payouts::Unexplained;

pub use odoo::InOdoo;

/// How many open differences an audit names, and of each account how many payouts; the lists have the others.
const NAMED: i64 = 100;

/// How many transactions may be summed from one audit to the next: with more of them a checkpoint is taken.
const SUMMED: i64 = 10_000;

/// How much of the ledger an audit sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What was booked since the last checkpoint, beside that: it takes as long with millions of entries as with thousands.
    SinceCheckpoint,
    /// All of it; what checkpoints say must come out again.
    Full,
}

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// Each account in each of its currencies.
    pub balances: Vec<Balance>,
    /// The payouts that arrived or came back, as far as the provider can tell their lines.
    pub payouts: Payouts,
    /// What is open, newest first: a hundred at most.
    pub open: Vec<Exception>,
}

/// How many payouts are explained, and which are not.
#[derive(Debug, Default)]
pub struct Payouts {
    /// How many have all their lines read, sum to their amount, and have nothing open.
    pub explained: i64,
    /// How many have not.
    pub unexplained: i64,
    /// How many were made by hand: no lines can be told of them.
    pub by_hand: i64,
    /// Those that are not explained, newest first: a hundred of each account at most.
    pub named: Vec<Unexplained>,
}

impl Audit {
    /// Whether the provider and the ledger agree, every payout is explained and no difference is open.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        self.open.is_empty()
            && self.payouts.unexplained == 0
            && self
                .balances
                .iter()
                .all(|balance| balance.checkpoint_off_minor == 0)
            && self
                .balances
                .iter()
                .all(|balance| balance.difference().minor == 0 && balance.is_in_odoo())
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
    /// Since when the account's books begin, and with what the provider held then, in minor units, where it had a past.
    pub opening: Option<(OffsetDateTime, i64)>,
    /// By how much what checkpoints say is not what all entries come to, in minor units, over all accounts of the ledger: anything but
    /// zero says that the past was changed. Only a full audit looks.
    pub checkpoint_off_minor: i64,
    /// How much of that stays there because a person accepted it as it stands.
    pub accepted_minor: i64,
    /// What its journal in a stock Odoo holds, where one is mapped.
    pub in_odoo: Option<InOdoo>,
}

impl Balance {
    /// Whether Odoo's journal, where there is one, holds what the ledger says.
    #[must_use]
    pub fn is_in_odoo(&self) -> bool {
        self.in_odoo
            .as_ref()
            .is_none_or(|journal| journal.difference_minor() == Some(0) && journal.unposted_minor == 0)
    }

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
pub async fn audit(app: &App, operator: &Operator, depth: Depth) -> Result<Audit, AppError> {
    let (merchant, live) = (operator.merchant_id, operator.live);
    let ids = {
        let mut conn = app.db.read(merchant).await?;
        store::provider_accounts::list_ids(&mut conn, merchant, live).await?
    };
    let (mut balances, mut payouts) = (Vec::new(), Payouts::default());
    for id in ids {
        balances.extend(audit_account(app, operator, id, depth).await?);
        let mut tx = app.begin_to_read(merchant).await?;
        let counted = store::payouts::count_explained(&mut tx, merchant, id).await?;
        payouts.explained += counted.0;
        payouts.unexplained += counted.1;
        payouts.by_hand += counted.2;
        let named = store::payouts::list_unexplained(&mut tx, merchant, id, NAMED).await?;
        payouts.named.extend(named);
        drop(tx);
        take_checkpoint(app, merchant, id).await?;
    }
    let filter = ExceptionFilter {
        state: Some(ExceptionState::Open),
        ..ExceptionFilter::default()
    };
    let mut conn = app.db.read(merchant).await?;
    let open = lists::list(&mut conn, merchant, live, &filter, None, NAMED).await?;
    Ok(Audit {
        balances,
        payouts,
        open,
    })
}

/// Leaves a checkpoint where the next audit would have much to sum.
async fn take_checkpoint(app: &App, merchant: MerchantId, id: ProviderAccountId) -> Result<(), AppError> {
    let mut tx = app.begin(merchant).await?;
    let taken = store::ledger_checkpoints::is_due(&mut tx, merchant, id, SUMMED).await?
        && store::ledger_checkpoints::take(&mut tx, merchant, id).await?;
    if taken {
        commit(tx).await?;
        tracing::info!(provider_account_id = %id, "the ledger was summed for later audits");
    }
    Ok(())
}

async fn audit_account(
    app: &App,
    operator: &Operator,
    id: ProviderAccountId,
    depth: Depth,
) -> Result<Vec<Balance>, AppError> {
    let known = {
        let mut conn = app.db.read(operator.merchant_id).await?;
        app.accounts.get(app, &mut conn, operator.merchant_id, id).await?
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
        let mut tx = app.begin_to_read(operator.merchant_id).await?;
        sum(&mut tx, operator.merchant_id, id, depth).await?
    };
    let after = read().await?;
    let mut journals = odoo::read(app, operator.merchant_id, id).await?;
    let mut currencies: Vec<Currency> = before.iter().map(|held| held.currency).collect();
    for currency in sums.kinds.iter().map(|(currency, ..)| *currency) {
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
                let found = sums
                    .kinds
                    .iter()
                    .filter(|(of, what, _)| *of == currency && *what == kind);
                found.map(|(.., minor)| *minor).sum()
            };
            let provider = Money::new(of(&before, currency), currency);
            Balance {
                provider_account_id: id,
                provider,
                in_flight_minor: of(&after, currency) - provider.minor,
                ledger_minor: of_kind(Sum::Ledger),
                unbooked_minor: of_kind(Sum::Unbooked),
                suspense_minor: of_kind(Sum::Suspense),
                opening: sums.opened_at.map(|at| (at, of_kind(Sum::Opening))),
                checkpoint_off_minor: of_kind(Sum::CheckpointOff),
                accepted_minor: of_kind(Sum::Accepted),
                in_odoo: journals.remove(currency.code()),
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
    Opening,
    CheckpointOff,
}

/// What an account's rows come to.
struct Sums {
    /// Currency by currency; what is not there is zero.
    kinds: Vec<(Currency, Sum, i64)>,
    /// When its books begin, where it had a past.
    opened_at: Option<OffsetDateTime>,
}

async fn sum(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ProviderAccountId,
    depth: Depth,
) -> Result<Sums, AppError> {
    let currency = |code: &str| {
        code.parse()
            .map_err(|error| StoreError::corrupt("ledger_entry", &error))
    };
    let mut kinds = Vec::new();
    let since_checkpoint = store::ledger_checkpoints::sum(conn, merchant, id).await?;
    let held = match depth {
        Depth::SinceCheckpoint => since_checkpoint,
        Depth::Full => {
            let all = store::ledger::sum_all(conn, merchant, id).await?;
            for held in &since_checkpoint {
                kinds.push((currency(&held.currency)?, Sum::CheckpointOff, off(held, &all)));
            }
            for held in all
                .iter()
                .filter(|held| !since_checkpoint.iter().any(|other| same(held, other)))
            {
                kinds.push((
                    currency(&held.currency)?,
                    Sum::CheckpointOff,
                    held.balance_minor.abs(),
                ));
            }
            all
        }
    };
    for held in held {
        for (account, kind) in [
            (LedgerAccount::ProviderBalance, Sum::Ledger),
            (LedgerAccount::Suspense, Sum::Suspense),
        ] {
            if held.account == account {
                kinds.push((currency(&held.currency)?, kind, held.balance_minor));
            }
        }
    }
    for (code, minor) in store::ledger::sum_accepted(conn, merchant, id).await? {
        kinds.push((currency(&code)?, Sum::Accepted, minor));
    }
    for (code, _, minor) in store::balance_transactions::sum_unbooked(conn, merchant, id).await? {
        kinds.push((currency(&code)?, Sum::Unbooked, minor));
    }
    let opening = store::openings::find(conn, merchant, id).await?;
    for opened in store::openings::list_balances(conn, merchant, id).await? {
        kinds.push((opened.currency, Sum::Opening, opened.amount_minor));
    }
    Ok(Sums {
        kinds,
        opened_at: opening.map(|opening| opening.at),
    })
}

fn same(held: &Held, other: &Held) -> bool {
    held.account == other.account && held.currency == other.currency
}

/// By how much one sum is not what all entries come to. Never negative, so that two of them do not hide each other.
fn off(held: &Held, all: &[Held]) -> i64 {
    let found = all.iter().find(|other| same(held, other));
    (held.balance_minor - found.map_or(0, |found| found.balance_minor)).abs()
}
