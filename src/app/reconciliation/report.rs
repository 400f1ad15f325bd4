//! What a payout is made of, for who checks it line by line.

use time::OffsetDateTime;

use crate::app::auth::Caller;
use crate::app::error::no;
use crate::app::page::one_more;
use crate::app::{App, AppError, Page};
use crate::domain::exception::Exception;
use crate::domain::ids::PayoutId;
use crate::domain::money::Money;
use crate::domain::payout::{Payout, PayoutState};
use crate::store;
use crate::store::StoreError;
use crate::store::exceptions::lists;

pub use crate::store::payout_lines::{KindSum, PayoutLine};

/// How many open differences a report names.
const NAMED: i64 = 100;

/// A payout, explained.
#[derive(Debug)]
pub struct Report {
    /// The payout.
    pub payout: Payout,
    /// When all of its lines were read, where they were.
    pub read_at: Option<OffsetDateTime>,
    /// The sum of the nets of its lines without its own.
    pub net: Money,
    /// What its lines come to, by type.
    pub sums: Vec<KindSum>,
    /// What holds it open, newest first: a hundred at most.
    pub open: Vec<Exception>,
    /// Some of its lines.
    pub lines: Page<PayoutLine>,
}

impl Report {
    /// What its lines come to more than it is.
    #[must_use]
    pub const fn difference_minor(&self) -> i64 {
        self.net.minor - self.payout.told.amount.minor
    }

    /// Whether all of its lines were read, come to its amount, and nothing about it is open.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        self.read_at.is_some() && self.difference_minor() == 0 && self.open.is_empty()
    }
}

/// The payouts of a state, where it is said, newest first, after `after`, `limit` at most.
pub async fn list_payouts(
    app: &App,
    caller: &Caller,
    state: Option<PayoutState>,
    after: Option<PayoutId>,
    limit: u16,
) -> Result<Page<Payout>, AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let (merchant, live) = (caller.merchant_id, caller.live);
    let found = store::payouts::list(&mut conn, merchant, live, state, after, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// One payout.
pub async fn get_payout(app: &App, caller: &Caller, id: PayoutId) -> Result<Payout, AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    store::payouts::get(&mut conn, caller.merchant_id, caller.live, id)
        .await
        .map_err(no("payout"))
}

/// What a payout is made of, and a page of its lines by the provider's id, after `after`, `limit` at most.
pub async fn report(
    app: &App,
    caller: &Caller,
    id: PayoutId,
    after: Option<&str>,
    limit: u16,
) -> Result<Report, AppError> {
    let (merchant, live) = (caller.merchant_id, caller.live);
    let mut tx = app.begin_to_read().await?;
    let payout = store::payouts::get(&mut tx, merchant, live, id)
        .await
        .map_err(no("payout"))?;
    let (account, reference) = (payout.provider_account_id, &payout.told.provider_reference);
    let reading = store::payout_readings::find(&mut tx, merchant, account, reference).await?;
    let (read_at, _, net_minor) = reading.unwrap_or_default();
    let sums = store::payout_lines::sum(&mut tx, merchant, account, reference).await?;
    let lines =
        store::payout_lines::list(&mut tx, merchant, account, reference, after, one_more(limit)).await?;
    let open = lists::list_of_payout(&mut tx, merchant, account, reference, NAMED).await?;
    Ok(Report {
        net: Money::new(net_minor, payout.told.amount.currency),
        read_at,
        sums,
        open,
        lines: Page::of(lines, limit),
        payout,
    })
}
