//! The opening of an account with years behind it: from a date on its lines are booked, and what it held then is one booking.
//!
//! It can be broken off and called again at any step: the date is kept first, and what it opens with is booked once.

use serde_json::json;
use time::{Date, OffsetDateTime, UtcOffset};

use super::{book_all, lines};
use crate::app::audit_log;
use crate::app::postings::{self, Booked};
use crate::app::{App, AppError, commit, payouts};
use crate::domain::audit_log::{Action, Actor};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::money::{Currency, Money};
use crate::domain::opening::{
    DISPUTES_BACK, ListedPayout, OpeningBalance, PAYOUTS_BACK, UnderWay, UnderWayKind,
};
use crate::provider::{ProviderAccount, Settlement};
use crate::store;
use crate::store::StoreError;
use crate::store::ledger::NewTransaction;

/// How often the provider's balance is read until it stands still.
const TRIES: usize = 5;

/// How long it is waited from one try to the next.
const BETWEEN: time::Duration = time::Duration::seconds(2);

/// Why an account cannot be opened so.
#[derive(Debug, thiserror::Error)]
pub enum OpeningRefused {
    /// It is open from another date on.
    #[error("its books begin on {begin} already: nothing can move that any more")]
    OtherDate {
        /// The date that is kept.
        begin: Date,
    },
    /// The ledger has what happened before.
    #[error("{booked} happened before and is booked already: open it at that day or earlier")]
    BookedBefore {
        /// What is booked.
        booked: String,
    },
    /// The date is not over the horizon yet.
    #[error("the date has not begun yet (UTC)")]
    Ahead,
    /// The provider's balance moved whenever it was read.
    #[error(
        "its balance moved by {moved} while its lines were read: call this again when less goes on there"
    )]
    Moving {
        /// By how much, in each currency.
        moved: String,
    },
}

/// An account that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The first day whose lines are booked, in UTC.
    pub date: Date,
    /// What it opened with.
    pub balances: Vec<OpeningBalance>,
    /// By how much the balance moved while its lines were read, before it stood still.
    pub in_flight: Vec<Money>,
    /// How many lines were booked since.
    pub booked: usize,
}

/// Opens an account at the start of a day (UTC), and books what happened since. The same again changes nothing.
///
/// # Errors
/// [`AppError::Opening`]; [`AppError::NotFound`] where the merchant has no such account; [`AppError::Provider`] where it cannot be read to
/// the end.
pub async fn open(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    date: Date,
) -> Result<Opened, AppError> {
    let known = {
        let mut conn = app.db.read(merchant).await?;
        let known = app.accounts.find(app, &mut conn, merchant, account).await?;
        known.filter(|known| known.account.merchant_id == merchant)
    };
    let known = known.ok_or(AppError::NotFound("provider account"))?;
    let provider = app.provider(&known.account.provider)?;
    let settlement = provider.settlement().ok_or_else(|| AppError::NotSupported {
        what: "ledger that could be read".to_owned(),
    })?;
    let at = date.midnight().assume_offset(UtcOffset::UTC);
    let opening = Opening {
        app,
        settlement,
        account: &known.account,
        at,
    };
    let in_flight = if opening.begin(date).await? {
        let (balances, in_flight) = opening.find_balances().await?;
        let items = opening.find_under_way().await?;
        opening.book(&balances, &items).await?;
        in_flight
    } else {
        lines::read_since(app, merchant, account, at).await?;
        Vec::new()
    };
    opening.take_in_payouts().await?;
    let booked = book_all(app).await?;
    let mut conn = app.db.read(merchant).await?;
    Ok(Opened {
        date,
        balances: store::openings::list_balances(&mut conn, merchant, account).await?,
        in_flight,
        booked,
    })
}

/// An account that is being opened.
struct Opening<'a> {
    app: &'a App,
    settlement: &'a dyn Settlement,
    account: &'a ProviderAccount,
    at: OffsetDateTime,
}

impl Opening<'_> {
    const fn place(&self) -> (MerchantId, ProviderAccountId) {
        (self.account.merchant_id, self.account.id)
    }

    /// Keeps the date: from then on nothing from before it is booked. Whether what it opens with is still to be booked.
    async fn begin(&self, date: Date) -> Result<bool, AppError> {
        if self.at > self.app.clock.now() {
            return Err(OpeningRefused::Ahead.into());
        }
        let (merchant, account) = self.place();
        let mut tx = self.app.begin(merchant).await?;
        store::openings::hold_lines(&mut tx).await?;
        if let Some(known) = store::openings::find(&mut tx, merchant, account).await? {
            if known.at != self.at {
                let begin = known.at.to_offset(UtcOffset::UTC).date();
                return Err(OpeningRefused::OtherDate { begin }.into());
            }
            return Ok(known.booked_at.is_none());
        }
        if let Some(booked) = store::openings::find_booked_before(&mut tx, merchant, account, self.at).await?
        {
            return Err(OpeningRefused::BookedBefore { booked }.into());
        }
        store::openings::insert(&mut tx, merchant, account, self.at).await?;
        // Accounts are opened at the command line alone.
        let (actor, detail) = (Actor::at_the_command_line(), json!({ "date": date.to_string() }));
        audit_log::record(
            self.app,
            &mut tx,
            merchant,
            &actor,
            (Action::AccountOpen, &account),
            &detail,
        )
        .await?;
        commit(tx).await?;
        tracing::info!(provider_account_id = %account, %date, "an account is opened");
        Ok(true)
    }

    /// What the provider held at the date: what it holds now without the nets of all lines since. A balance that moved while lines were
    /// read says so, unless the same came out twice; then it is read again.
    async fn find_balances(&self) -> Result<(Vec<Money>, Vec<Money>), AppError> {
        let (merchant, account) = self.place();
        let (mut in_flight, mut found_before) = (Vec::new(), None);
        lines::read_since(self.app, merchant, account, self.at).await?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(self.app.timing.scaled(BETWEEN).unsigned_abs()).await;
            }
            let before = self.fetch_balance().await?;
            lines::read_on(self.app, merchant, account).await?;
            let after = self.fetch_balance().await?;
            let since = {
                let mut conn = self.app.db.read(merchant).await?;
                store::balance_transactions::sum_since(&mut conn, merchant, account, self.at).await?
            };
            let mut since_then = Vec::with_capacity(since.len());
            for (code, minor) in since {
                let currency = code
                    .parse()
                    .map_err(|error| StoreError::corrupt("balance_transaction", &error))?;
                since_then.push(Money::new(minor, currency));
            }
            let found = without(&after, &since_then);
            let moved = without(&after, &before);
            let stands = moved.iter().all(|moved| moved.minor == 0);
            if stands || found_before.as_ref() == Some(&found) {
                return Ok((found, in_flight));
            }
            in_flight = moved.into_iter().filter(|moved| moved.minor != 0).collect();
            found_before = Some(found);
        }
        let moved: Vec<String> = in_flight.iter().map(Money::to_string).collect();
        Err(OpeningRefused::Moving {
            moved: moved.join(", "),
        }
        .into())
    }

    async fn fetch_balance(&self) -> Result<Vec<Money>, AppError> {
        let fetched = self.settlement.fetch_balance(self.account).await;
        fetched.map_err(AppError::Provider)
    }

    /// What was out of the balance at the date, and not gone.
    async fn find_under_way(&self) -> Result<Vec<UnderWay>, AppError> {
        let mut items = Vec::new();
        self.each_payout(async |payout| {
            let reference = &payout.told.provider_reference;
            if payout.was_in_transit(self.at) || self.is_taken_for_paid(&payout).await? {
                items.push(UnderWay {
                    kind: UnderWayKind::Payout,
                    reference: reference.clone(),
                    amount: payout.told.amount,
                });
            }
            Ok(())
        })
        .await?;
        let mut next = None;
        loop {
            let page = self
                .settlement
                .read_disputes(self.account, self.at - DISPUTES_BACK, next.as_deref())
                .await
                .map_err(AppError::Provider)?;
            let taken = page.disputes.into_iter().filter_map(|dispute| {
                dispute.taken_at(self.at).map(|amount| UnderWay {
                    kind: UnderWayKind::Dispute,
                    reference: dispute.provider_reference,
                    amount,
                })
            });
            items.extend(taken);
            next = page.next;
            if next.is_none() {
                return Ok(items);
            }
        }
    }

    /// Whether a payout that left before the date is booked as arrived, because somebody told of it since.
    async fn is_taken_for_paid(&self, payout: &ListedPayout) -> Result<bool, AppError> {
        if payout.left_since(self.at) {
            return Ok(false);
        }
        let (merchant, account) = self.place();
        let mut conn = self.app.db.read(merchant).await?;
        let reference = &payout.told.provider_reference;
        let mut booked = async |what: &str| {
            store::ledger::is_booked(&mut conn, merchant, account, &format!("{what}:{reference}")).await
        };
        Ok(booked("paid").await? && !booked("returned").await?)
    }

    async fn each_payout(
        &self,
        mut take: impl AsyncFnMut(ListedPayout) -> Result<(), AppError>,
    ) -> Result<(), AppError> {
        let mut next = None;
        loop {
            let page = self
                .settlement
                .read_payouts(self.account, self.at - PAYOUTS_BACK, next.as_deref())
                .await
                .map_err(AppError::Provider)?;
            for payout in page.payouts {
                take(payout).await?;
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Books what the account opens with, once.
    async fn book(&self, held: &[Money], items: &[UnderWay]) -> Result<(), AppError> {
        let (merchant, account) = self.place();
        let balances = balances(held, items);
        let mut transactions = Vec::with_capacity(balances.len());
        for balance in &balances {
            let entries = balance
                .book()
                .map_err(|error| StoreError::corrupt("opening_balance", &error))?;
            if entries.iter().next().is_some() {
                transactions.push(Booked {
                    disputed: None,
                    transaction: NewTransaction {
                        source: format!("opening:{}", balance.currency),
                        payment_id: None,
                        occurred_at: self.at,
                        entries,
                    },
                    label: "opening".to_owned(),
                    meets: None,
                    payment: None,
                });
            }
        }
        let mut tx = self.app.begin(merchant).await?;
        if store::openings::lock_unbooked(&mut tx, merchant, account).await? {
            postings::book(self.app, &mut tx, (merchant, account), transactions).await?;
            store::openings::note_booked(&mut tx, merchant, account, &balances, items).await?;
        }
        commit(tx).await
    }

    /// Takes in the payouts that the books are to follow: what was told of them while nobody listened is told once more.
    async fn take_in_payouts(&self) -> Result<(), AppError> {
        let (merchant, account) = self.place();
        self.each_payout(async |payout| {
            let mut tx = self.app.begin(merchant).await?;
            let reference = &payout.told.provider_reference;
            let left_at = payout.left_at.unwrap_or(payout.told.opened_at);
            if store::openings::books_payout(&mut tx, merchant, account, reference, left_at).await? {
                payouts::take_in(self.app, &mut tx, self.place(), &payout.told).await?;
            }
            commit(tx).await
        })
        .await
    }
}

/// One sum without another, in each currency of either; those that come to nothing are among them.
fn without(sum: &[Money], other: &[Money]) -> Vec<Money> {
    let of = |held: &[Money], currency: Currency| -> i64 {
        let found = held.iter().filter(|held| held.currency == currency);
        found.map(|held| held.minor).sum()
    };
    let mut currencies: Vec<Currency> = Vec::new();
    for money in sum.iter().chain(other) {
        if !currencies.contains(&money.currency) {
            currencies.push(money.currency);
        }
    }
    let each = currencies.into_iter();
    each.map(|currency| Money::new(of(sum, currency) - of(other, currency), currency))
        .collect()
}

fn balances(held: &[Money], items: &[UnderWay]) -> Vec<OpeningBalance> {
    let mut balances: Vec<OpeningBalance> = Vec::new();
    let with = |kind| items.iter().filter(move |item| item.kind == kind);
    let all = held.iter().chain(items.iter().map(|item| &item.amount));
    for currency in all.map(|money| money.currency) {
        if balances.iter().any(|balance| balance.currency == currency) {
            continue;
        }
        let sum = |kind| -> i64 {
            let amounts = with(kind).filter(|item| item.amount.currency == currency);
            amounts.map(|item| item.amount.minor).sum()
        };
        balances.push(OpeningBalance {
            currency,
            amount_minor: held
                .iter()
                .find(|money| money.currency == currency)
                .map_or(0, |money| money.minor),
            in_transit_minor: sum(UnderWayKind::Payout),
            disputed_minor: sum(UnderWayKind::Dispute),
        });
    }
    balances
}
