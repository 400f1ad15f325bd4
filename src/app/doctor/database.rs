//! Postgres: whether it answers, is fit, and is of this version.

use std::cmp::Ordering;

use super::{Finding, Level};
use crate::app::{AppError, clock};
use crate::store::health::{self, Server};
use crate::store::{Db, MIGRATOR};

/// The oldest server that this version is tested with.
const OLDEST: i32 = 15;

/// Nothing else can be looked at.
#[must_use]
pub fn unreachable(why: &str) -> Finding {
    Finding::error(
        "database.reachable",
        why,
        "set QUITTANCE_DATABASE_URL, or start the database",
    )
}

/// Looks at the database, without anything that is in it.
pub async fn database(db: &Db) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("database.reachable", "it answers")];
    match server(db).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(super::unread("database.version", &error)),
    }
    let fit = roles(db).await;
    let is_fit = fit.level == Level::Ok;
    findings.push(fit);
    if is_fit {
        match as_application(db).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(super::unread("database.migrations", &error)),
        }
    }
    findings
}

async fn roles(db: &Db) -> Finding {
    match db.check().await {
        Ok(()) => Finding::ok(
            "database.roles",
            "the login may act in both roles, and neither gets past the policies",
        ),
        Err(unfit) => Finding::error(
            "database.roles",
            unfit.to_string(),
            "run `quittance migrate` as the owner of the schema, or grant what is said",
        ),
    }
}

async fn server(db: &Db) -> Result<[Finding; 2], AppError> {
    let Server {
        version,
        synchronous_commit,
    } = health::server(db).await?;
    let said = format!("PostgreSQL {}.{}", version / 10_000, version % 10_000);
    let version = if version / 10_000 < OLDEST {
        let remedy = format!("upgrade it to {OLDEST} or later");
        Finding::warning("database.version", said, remedy)
    } else {
        Finding::ok("database.version", said)
    };
    let said = format!("synchronous_commit is {synchronous_commit}");
    let durability = if synchronous_commit == "off" {
        let remedy =
            "set it to on for this role or database: a crash would lose events that were acknowledged";
        Finding::error("database.synchronous_commit", said, remedy)
    } else {
        Finding::ok("database.synchronous_commit", said)
    };
    Ok([version, durability])
}

/// What can be seen in the application's role.
async fn as_application(db: &Db) -> Result<[Finding; 2], AppError> {
    let applied = health::latest_migration(&mut *db.read_for([]).await?).await?;
    Ok([migrations(applied), clocks(db).await?])
}

fn migrations(applied: Option<i64>) -> Finding {
    let check = "database.migrations";
    let wanted = MIGRATOR.iter().map(|migration| migration.version).max();
    let number =
        |version: Option<i64>| version.map_or_else(|| "none".to_owned(), |version| format!("{version:04}"));
    let said = format!(
        "the newest is {}, and this version's {}",
        number(applied),
        number(wanted)
    );
    match applied.cmp(&wanted) {
        Ordering::Less => Finding::error(check, said, "run `quittance migrate`"),
        Ordering::Equal => Finding::ok(check, said),
        Ordering::Greater => {
            let remedy = "a newer version ran here: end the upgrade, or go back to it";
            Finding::warning(check, said, remedy)
        }
    }
}

async fn clocks(db: &Db) -> Result<Finding, AppError> {
    let check = "database.clock";
    Ok(match clock::machine_ahead(db).await? {
        None => Finding::ok(check, "it is this machine's, within 5 s"),
        Some(ahead) => {
            let said = format!("this machine's clock is {} s ahead of it", ahead.whole_seconds());
            let remedy = "synchronise both: signed webhooks are judged by the database's";
            Finding::warning(check, said, remedy)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_is_older_is_an_error_and_one_that_is_newer_a_warning() {
        let newest = MIGRATOR.iter().map(|migration| migration.version).max();
        assert_eq!(migrations(newest).level, Level::Ok);
        assert_eq!(migrations(newest.map(|version| version - 1)).level, Level::Error);
        assert_eq!(migrations(None).level, Level::Error);
        assert_eq!(migrations(Some(9_999)).level, Level::Warning);
    }
}
