//! The time, as a value that tests can hold. In service it is the database's, so that all replicas mean the same by "over".

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration as Elapsed, Instant};

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::store;
use crate::store::Db;

/// How often the database is asked for the time. Between two answers a quartz is off by less than a millisecond.
const ASKED_EVERY: Elapsed = Elapsed::from_secs(10);

/// How many questions are put in a row; the quickest answer says most.
const QUESTIONS: usize = 3;

/// By how much the clock may have been ahead to stand still until it is right. Beyond that it goes back.
const MOST_HELD: Duration = Duration::seconds(1);

/// From which difference on somebody should know that the machine's own clock is wrong.
const WORTH_A_WARNING: Duration = Duration::seconds(5);

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// A clock that tells what it is told to.
    pub fn new(tell: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The database's clock, and the work that must be spawned to follow it; the work ends when the last clock is dropped.
    ///
    /// Between two looks the time goes on by the machine's steady count, which nobody can set: what is done to the
    /// machine's own clock, by hand or by a time service, is nothing to us.
    ///
    /// # Errors
    /// The database did not say.
    pub async fn of_database(db: Db) -> Result<(Self, impl Future<Output = ()> + Send + 'static), AppError> {
        let first = ask(&db).await?;
        let course = Arc::new(RwLock::new(Course::from(&first)));
        let gone = CancellationToken::new();
        let work = follow(db, Arc::clone(&course), first, gone.clone());
        let last = gone.drop_guard();
        let tell = move || {
            let _ends_the_work = &last;
            let course = course.read().unwrap_or_else(PoisonError::into_inner);
            course.tell(Instant::now())
        };
        Ok((Self::new(tell), work))
    }

    /// The time now, in UTC, in the microseconds that Postgres keeps: what is read back is what was written.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        let now = (self.0)();
        let beyond = Duration::nanoseconds(i64::from(now.nanosecond() % 1_000));
        now - beyond
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// What the database said the time was, and how sure that is by when it is here.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    said: OffsetDateTime,
    round_trip: Duration,
}

/// How the time goes: from a moment on, evenly, and not before what was told already.
#[derive(Clone, Copy, Debug)]
struct Course {
    at: Instant,
    time: OffsetDateTime,
    not_before: OffsetDateTime,
}

impl From<&Reading> for Course {
    fn from(reading: &Reading) -> Self {
        let time = reading.said + reading.round_trip / 2;
        Self {
            at: reading.at,
            time,
            not_before: time,
        }
    }
}

impl Course {
    fn tell(&self, at: Instant) -> OffsetDateTime {
        (self.time + at.saturating_duration_since(self.at)).max(self.not_before)
    }

    /// Corrects what a reading proves wrong, and nothing else: the answer took a while, in which any time may be right.
    fn correct(&mut self, reading: &Reading) {
        let told = self.tell(reading.at);
        if (reading.said..=reading.said + reading.round_trip).contains(&told) {
            return;
        }
        *self = Self::from(reading);
        if told - self.time <= MOST_HELD {
            self.not_before = self.not_before.max(told);
        }
    }
}

/// Asks the database for the time, and takes the answer that came quickest.
async fn ask(db: &Db) -> Result<Reading, AppError> {
    let mut conn = db.read_for([]).await?;
    let mut best = ask_once(&mut conn).await?;
    for _ in 1..QUESTIONS {
        let reading = ask_once(&mut conn).await?;
        if reading.round_trip < best.round_trip {
            best = reading;
        }
    }
    Ok(best)
}

async fn ask_once(conn: &mut PgConnection) -> Result<Reading, AppError> {
    let asked = Instant::now();
    let said = store::health::clock(conn).await?;
    let at = Instant::now();
    let round_trip = (at - asked).try_into().unwrap_or(Duration::MAX);
    Ok(Reading { at, said, round_trip })
}

/// Keeps the course right until nobody asks for the time any more. While the database is away, the time goes on.
async fn follow(db: Db, course: Arc<RwLock<Course>>, first: Reading, gone: CancellationToken) {
    let mut warned = warn_of(&first);
    while gone
        .run_until_cancelled(tokio::time::sleep(ASKED_EVERY))
        .await
        .is_some()
    {
        let Some(answer) = gone.run_until_cancelled(ask(&db)).await else {
            return;
        };
        if let Ok(reading) = answer {
            let mut course = course.write().unwrap_or_else(PoisonError::into_inner);
            course.correct(&reading);
            drop(course);
            warned = warned || warn_of(&reading);
        }
    }
}

/// By how much the machine's clock is ahead of the database's, where that is worth a warning.
pub(super) async fn machine_ahead(db: &Db) -> Result<Option<Duration>, AppError> {
    Ok(far_ahead(&ask(db).await?))
}

fn far_ahead(reading: &Reading) -> Option<Duration> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    let machine = OffsetDateTime::now_utc() - reading.at.elapsed();
    let ahead = machine - reading.said;
    (ahead.abs() > WORTH_A_WARNING + reading.round_trip).then_some(ahead)
}

/// Says so where the machine's clock is far from the database's. Whether it was said.
fn warn_of(reading: &Reading) -> bool {
    let Some(ahead) = far_ahead(reading) else {
        return false;
    };
    tracing::warn!(
        ahead_s = ahead.whole_seconds(),
        "this machine's clock is not the database's: the database's is followed, but one of the two is wrong, and signed webhooks are refused if it is the database's"
    );
    true
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-01 12:00 UTC);

    fn reading(at: Instant, said: OffsetDateTime, round_trip_ms: i64) -> Reading {
        let round_trip = Duration::milliseconds(round_trip_ms);
        Reading { at, said, round_trip }
    }

    #[test]
    fn the_time_goes_on_evenly_from_the_middle_of_the_first_answer() {
        let start = Instant::now();
        let course = Course::from(&reading(start, NOON, 4));
        assert_eq!(course.tell(start), NOON + Duration::milliseconds(2));
        let later = start + Elapsed::from_mins(1);
        assert_eq!(course.tell(later), NOON + Duration::milliseconds(60_002));
    }

    #[test]
    fn an_answer_that_proves_nothing_wrong_changes_nothing() {
        let start = Instant::now();
        let mut course = Course::from(&reading(start, NOON, 4));
        let later = start + Elapsed::from_secs(10);
        for early_ms in [0, 1, 500] {
            let said = NOON + Duration::milliseconds(10_002 - early_ms);
            course.correct(&reading(later, said, early_ms + 1));
            assert_eq!(course.at, start, "{early_ms}");
        }
    }

    #[test]
    fn a_little_ahead_it_stands_still_and_far_ahead_it_goes_back() {
        let start = Instant::now();
        let later = start + Elapsed::from_secs(10);
        let mut little = Course::from(&reading(start, NOON, 0));
        little.correct(&reading(later, NOON + Duration::milliseconds(9_700), 0));
        assert_eq!(little.tell(later), NOON + Duration::seconds(10));
        let caught_up = later + Elapsed::from_millis(400);
        assert_eq!(little.tell(caught_up), NOON + Duration::milliseconds(10_100));

        let mut far = Course::from(&reading(start, NOON, 0));
        far.correct(&reading(later, NOON - Duration::minutes(4), 0));
        assert_eq!(far.tell(later), NOON - Duration::minutes(4));
    }

    #[test]
    fn behind_it_jumps_ahead_at_once() {
        let start = Instant::now();
        let mut course = Course::from(&reading(start, NOON, 0));
        course.correct(&reading(start, NOON + Duration::minutes(4), 2));
        assert_eq!(
            course.tell(start),
            NOON + Duration::minutes(4) + Duration::milliseconds(1)
        );
    }
}
