//! How long it takes to unwrap a data key, and to open something once it is in hand.

use std::time::{Duration, Instant};

use super::{MERCHANTS, list_merchants};
use crate::app::{App, AppError};
use crate::crypto::Sealer;
use crate::store::sealed::SEALED;

/// How often a value is opened: the average counts.
const TIMES: u32 = 10_000;

/// How long each took.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The key-encryption key that wraps now.
    pub kek: String,
    /// Reading a data key, unwrapping it, and opening a value with it.
    pub unwrap: Duration,
    /// Opening it again, on average.
    pub open: Duration,
}

/// Opens a value, first with nothing in hand and then as often as is needed to tell how long it takes. None where nothing is sealed.
pub async fn measure(app: &App) -> Result<Option<Measured>, AppError> {
    let merchants = list_merchants(app).await?;
    for merchant in merchants.into_iter().take(MERCHANTS) {
        let mut conn = app.db.read(merchant).await?;
        for column in SEALED {
            let rows = column
                .list(&mut conn, merchant, column.before_all(), &[0], 1)
                .await?;
            let Some((place, sealed)) = rows
                .into_iter()
                .next()
                .and_then(|row| Some((column.place_of(merchant, &row.key)?, row.sealed?)))
            else {
                continue;
            };
            let empty = Sealer::new(app.sealer.ring().clone());
            let begun = Instant::now();
            empty.open(&mut conn, place, &sealed).await?;
            let unwrap = begun.elapsed();
            let begun = Instant::now();
            for _ in 0..TIMES {
                empty.open(&mut conn, place, &sealed).await?;
            }
            return Ok(Some(Measured {
                kek: app.sealer.ring().current().id(),
                unwrap,
                open: begun.elapsed() / TIMES,
            }));
        }
    }
    Ok(None)
}
