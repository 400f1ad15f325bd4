//! The keys that secrets are sealed with.

use std::collections::BTreeMap;

use super::Finding;
use crate::app::{App, AppError};
use crate::store;

/// How many merchants one look is about.
const MERCHANTS: usize = 500;

/// How often a key-encryption key wraps, and how many data keys of these are retired.
type Wraps = BTreeMap<String, (i64, i64)>;

pub(super) async fn look(app: &App) -> Vec<Finding> {
    let ring = app.sealer.ring();
    let current = ring.current();
    let mut findings = vec![match current.check().await {
        Ok(()) => Finding::ok("keys.current", format!("{} can be used", current.id())),
        Err(error) => Finding::error("keys.current", error.to_string(), "see docs/keys.md"),
    }];
    let wraps = match count(app).await {
        Ok(wraps) => wraps,
        Err(error) => {
            findings.push(super::unread("keys.wrapping", &error));
            return findings;
        }
    };
    findings.extend(wraps.iter().map(|(kek, (keys, retired))| {
        let said = format!("{kek} wraps {keys} data keys, {retired} of them retired");
        match kek {
            kek if *kek == current.id() => Finding::ok("keys.wrapping", said),
            kek if ring.unwraps(kek) => Finding::warning(
                "keys.wrapping",
                format!("{said}, and is not the current key: it is still needed"),
                "run `quittance keys rotate`",
            ),
            _ => Finding::error(
                "keys.wrapping",
                format!("{said}, and no setting names it"),
                "add it to QUITTANCE_SEALING_KEYS_PREVIOUS",
            ),
        }
    }));
    let idle = ring
        .ids()
        .into_iter()
        .filter(|id| *id != current.id() && !wraps.contains_key(id));
    findings.extend(idle.map(|id| {
        Finding::warning(
            "keys.previous",
            format!("{id} is in the settings and wraps no data key"),
            "take it out of the settings once `quittance keys status` says that it may be removed",
        )
    }));
    findings.push(opens(app).await);
    findings
}

async fn count(app: &App) -> Result<Wraps, AppError> {
    let merchants = store::merchants::list(&mut *app.db.dispatch().await?).await?;
    let mut wraps = Wraps::new();
    for chunk in merchants.chunks(MERCHANTS) {
        let mut conn = app.db.read_for(chunk.iter().copied()).await?;
        for (kek, keys, retired) in store::data_keys::count_by_kek(&mut conn, chunk).await? {
            let of = wraps.entry(kek).or_default();
            *of = (of.0 + keys, of.1 + retired);
        }
    }
    Ok(wraps)
}

async fn opens(app: &App) -> Finding {
    let remedy = "set QUITTANCE_SEALING_KEY to the key that this database was set up with: docs/keys.md";
    match store::health::key_opens(&app.db, &app.sealer).await {
        Ok(true) => Finding::ok("keys.opens", "what the database holds opens"),
        Ok(false) => Finding::error("keys.opens", "what the database holds does not open", remedy),
        Err(error) => Finding::error("keys.opens", error.to_string(), remedy),
    }
}
