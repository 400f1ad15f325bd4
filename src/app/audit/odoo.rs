//! The third leg: what the journals of a stock Odoo hold, against what was posted there.

use std::collections::HashMap;

use super::{Depth, Sum, sum};
use crate::app::{App, AppError};
use crate::domain::ids::{MerchantId, OdooInstanceId, ProviderAccountId};
use crate::domain::money::Currency;
use crate::sink::SinkError;
use crate::store;
use crate::store::StoreError;

/// How often the two are read until nothing was posted in between.
const TRIES: usize = 3;

/// What the journal holds that stands for an account's balance in a currency.
#[derive(Clone, Debug)]
pub struct InOdoo {
    /// Which Odoo it is in.
    pub odoo_instance_id: OdooInstanceId,
    /// What it holds, in minor units; where it cannot be read, why.
    pub held: Result<i64, String>,
    /// What the ledger says that was posted there, in minor units.
    pub posted_minor: i64,
    /// What waits to be posted, in minor units.
    pub unposted_minor: i64,
}

impl InOdoo {
    /// What the journal holds more than was posted, in minor units; none where it cannot be read.
    #[must_use]
    pub fn difference_minor(&self) -> Option<i64> {
        self.held
            .as_ref()
            .ok()
            .map(|held_minor| held_minor - self.posted_minor)
    }
}

/// Reads the journals of an account, by currency.
pub(super) async fn read(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<HashMap<String, InOdoo>, AppError> {
    let mapped = {
        let mut conn = app.db.read(merchant).await?;
        store::odoo_journals::list_instances(&mut conn, merchant, account).await?
    };
    let mut found = HashMap::with_capacity(mapped.len());
    for (code, instance) in mapped {
        let currency: Currency = code
            .parse()
            .map_err(|error| StoreError::corrupt("odoo_journal", &error))?;
        let journal = read_journal(app, merchant, account, (currency, instance)).await?;
        found.insert(code, journal);
    }
    Ok(found)
}

async fn read_journal(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    (currency, id): (Currency, OdooInstanceId),
) -> Result<InOdoo, AppError> {
    let instance = {
        let mut conn = app.db.read(merchant).await?;
        store::odoo_instances::get(&mut conn, &app.sealer, merchant, id).await?
    };
    let mut before = posted(app, merchant, account, currency).await?;
    let mut tries = 0;
    loop {
        tries += 1;
        let held = app.sink.fetch_held(&instance, account, currency).await;
        let after = posted(app, merchant, account, currency).await?;
        if held.is_err() || before == after || tries == TRIES {
            // Of two moments, that which the journal was read at.
            let is_nearer = |held: &i64| (held - before.0).abs() < (held - after.0).abs();
            let held = held
                .map(|money| money.minor)
                .map_err(|error: SinkError| error.told());
            let (posted_minor, unposted_minor) = match &held {
                Ok(minor) if is_nearer(minor) => before,
                Ok(_) | Err(_) => after,
            };
            return Ok(InOdoo {
                odoo_instance_id: id,
                held,
                posted_minor,
                unposted_minor,
            });
        }
        before = after;
    }
}

/// What was posted of the provider's balance in a currency, and what waits for it, at one moment.
async fn posted(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    currency: Currency,
) -> Result<(i64, i64), AppError> {
    let mut tx = app.begin_to_read(merchant).await?;
    let sums = sum(&mut tx, merchant, account, Depth::SinceCheckpoint).await?;
    let ledger_minor: i64 = sums
        .kinds
        .iter()
        .filter(|(of, what, _)| *of == currency && *what == Sum::Ledger)
        .map(|(.., minor)| minor)
        .sum();
    let waiting = store::outbox::sum_unposted(&mut tx, merchant, account).await?;
    let unposted_minor = waiting
        .into_iter()
        .find(|(code, _)| code == currency.code())
        .map_or(0, |(_, minor)| minor);
    Ok((ledger_minor - unposted_minor, unposted_minor))
}
