//! What a payout is made of, for who checks it line by line.

use time::OffsetDateTime;

use crate::app::auth::{Caller, Whose};
use crate::app::error::no;
use crate::app::page::one_more;
use crate::app::{App, AppError, Page};
use crate::domain::exception::Exception;
use crate::domain::ids::PayoutId;
use crate::domain::money::Money;
use crate::domain::payout::{Payout, PayoutState};
use crate::store;
use crate::store::exceptions::lists;

pub use crate::store::payout_lines::{KindSum, PayoutLine};

/// How many open differences a report names.
const NAMED: i64 = 100;

/// How many lines are read at a time where all are wanted.
const AT_A_TIME: i64 = 1_000;

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
    /// When all of this stood so.
    pub taken_at: OffsetDateTime,
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
    let mut conn = app.db.read(caller.merchant_id).await?;
    let (merchant, live) = (caller.merchant_id, caller.live);
    let found = store::payouts::list(&mut conn, merchant, live, state, after, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// One payout.
pub async fn get_payout(app: &App, caller: &Caller, id: PayoutId) -> Result<Payout, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    store::payouts::get(&mut conn, caller.merchant_id, caller.live, id)
        .await
        .map_err(no("payout"))
}

/// The id of the payout that its provider knows by that name.
pub async fn find_payout(app: &App, whose: Whose, reference: &str) -> Result<PayoutId, AppError> {
    let mut conn = app.db.read(whose.merchant_id).await?;
    let found = store::payouts::find_id(&mut conn, whose.merchant_id, whose.live, reference).await?;
    found.ok_or(AppError::NotFound("payout"))
}

/// What a payout is made of, and a page of its lines by the provider's id, after `after`, `limit` at most.
pub async fn report(
    app: &App,
    whose: Whose,
    id: PayoutId,
    after: Option<&str>,
    limit: u16,
) -> Result<Report, AppError> {
    let (merchant, live) = (whose.merchant_id, whose.live);
    let mut tx = app.begin_to_read(merchant).await?;
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
        taken_at: app.clock.now(),
        payout,
    })
}

/// All lines of a payout, some at a time: however many there are, no more of them are in memory, and no connection is held from one
/// time to the next.
#[derive(Debug)]
pub struct AllLines {
    payout: Payout,
    after: Option<String>,
    ended: bool,
}

impl AllLines {
    /// From the first one on.
    #[must_use]
    pub const fn of(payout: Payout) -> Self {
        Self {
            payout,
            after: None,
            ended: false,
        }
    }

    /// The next ones, by the provider's id; none where there are no more.
    pub async fn next(&mut self, app: &App) -> Result<Option<Vec<PayoutLine>>, AppError> {
        if self.ended {
            return Ok(None);
        }
        let (merchant, account) = (self.payout.merchant_id, self.payout.provider_account_id);
        let reference = &self.payout.told.provider_reference;
        let mut conn = app.db.read(merchant).await?;
        let after = self.after.as_deref();
        let lines =
            store::payout_lines::list(&mut conn, merchant, account, reference, after, AT_A_TIME).await?;
        self.after = lines.last().map(|line| line.id.clone());
        self.ended = self.after.is_none();
        Ok((!lines.is_empty()).then_some(lines))
    }
}
