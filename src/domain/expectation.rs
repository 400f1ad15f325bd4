//! What the provider's ledger owes us: a line for each capture, and one for each refund.

use time::{Duration, OffsetDateTime};

/// Where an expectation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ExpectationState {
    /// There is time left.
    Expected,
    /// Its lines come to what moved.
    Matched,
    /// They come to more.
    Over,
    /// All of them are there, and they come to less.
    Under,
    /// One is not there, and its time is over.
    Missing,
    /// Nothing is expected: it was called off, or nobody can read the provider's ledger.
    Void,
}

/// What an expectation is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ExpectationKind {
    /// All that was captured of a payment.
    Capture,
    /// One refund.
    Refund,
}

/// How long a difference may last before it is told of.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Where all lines are there: our own news of what moved may still be on its way.
    pub with_amounts: Duration,
    /// Where a line is not there.
    pub with_lines: Duration,
}

/// What moved, and what its lines come to, in minor units of the payment's currency. What left is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What moved.
    pub expected_minor: i64,
    /// What its lines come to.
    pub found_minor: i64,
    /// Whether there are as many lines as times that money moved.
    pub has_all_lines: bool,
    /// Whether one of them waits in Suspense, under an exception of its own.
    pub is_suspended: bool,
}

/// What became of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Where it stands.
    pub state: ExpectationState,
    /// Since when there is a difference.
    pub differs_since: Option<OffsetDateTime>,
    /// When it must be judged again; none where only news can change it.
    pub due_at: Option<OffsetDateTime>,
}

impl Judged {
    const fn ended(state: ExpectationState) -> Self {
        Self {
            state,
            differs_since: None,
            due_at: None,
        }
    }

    /// Nothing is expected.
    #[must_use]
    pub const fn void() -> Self {
        Self::ended(ExpectationState::Void)
    }
}

impl Standing {
    /// Judges it. `differs_since` is what the last judgement said; a difference is told of only once it lasted.
    #[must_use]
    pub fn judge(
        self,
        differs_since: Option<OffsetDateTime>,
        patience: Patience,
        now: OffsetDateTime,
    ) -> Judged {
        if self.is_suspended {
            return Judged::ended(ExpectationState::Expected);
        }
        if self.found_minor == self.expected_minor {
            return Judged::ended(if self.expected_minor == 0 {
                ExpectationState::Void
            } else {
                ExpectationState::Matched
            });
        }
        let (name, wait) = self.differs(patience);
        let since = differs_since.unwrap_or(now);
        let end = since.saturating_add(wait);
        let is_told = end <= now;
        Judged {
            state: if is_told { name } else { ExpectationState::Expected },
            differs_since: Some(since),
            due_at: (!is_told).then_some(end),
        }
    }

    /// What a difference is told as, and how long it may last before.
    const fn differs(self, patience: Patience) -> (ExpectationState, Duration) {
        let (expected, found) = (self.expected_minor, self.found_minor);
        // A refund that failed left, and what brings it back is a line as well.
        let comes_back = expected == 0;
        let is_over = if expected < 0 {
            found < expected
        } else {
            found > expected
        };
        match (is_over, self.has_all_lines) {
            _ if comes_back => (ExpectationState::Missing, patience.with_lines),
            (true, _) => (ExpectationState::Over, patience.with_amounts),
            (false, true) => (ExpectationState::Under, patience.with_amounts),
            (false, false) => (ExpectationState::Missing, patience.with_lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience {
        with_amounts: Duration::HOUR,
        with_lines: Duration::DAY,
    };

    fn at(hours: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::hours(hours)
    }

    fn standing(expected_minor: i64, found_minor: i64, has_all_lines: bool) -> Standing {
        Standing {
            expected_minor,
            found_minor,
            has_all_lines,
            is_suspended: false,
        }
    }

    #[test]
    fn each_difference_has_its_name_once_it_lasted() {
        use ExpectationState::{Expected, Matched, Missing, Over, Under, Void};
        for (expected, found, all, after_minutes, after_hours, after_days) in [
            (500, 500, true, Matched, Matched, Matched),
            (500, 500, false, Matched, Matched, Matched),
            (500, 501, true, Expected, Over, Over),
            (500, 499, true, Expected, Under, Under),
            (500, 0, false, Expected, Expected, Missing),
            (500, 200, false, Expected, Expected, Missing),
            (-500, -500, true, Matched, Matched, Matched),
            (-500, -501, true, Expected, Over, Over),
            (-500, -499, true, Expected, Under, Under),
            (-500, 0, false, Expected, Expected, Missing),
            (0, 0, false, Void, Void, Void),
            (0, -500, true, Expected, Expected, Missing),
        ] {
            let standing = standing(expected, found, all);
            let states = [at(0) + Duration::MINUTE, at(2), at(48)]
                .map(|now| standing.judge(Some(at(0)), PATIENCE, now).state);
            assert_eq!(states, [after_minutes, after_hours, after_days], "{standing:?}");
        }
    }

    #[test]
    fn a_line_in_suspense_has_an_exception_of_its_own_and_is_not_missing() {
        let waits = Standing {
            is_suspended: true,
            ..standing(500, 0, false)
        };
        let judged = waits.judge(Some(at(0)), PATIENCE, at(48));
        assert_eq!(judged, Judged::ended(ExpectationState::Expected));
    }

    proptest! {
        #[test]
        fn what_is_judged_when_it_is_due_is_told_of_and_then_left_alone(
            expected in -1_000_i64..1_000, found in -1_000_i64..1_000, all: bool, since in prop::option::of(-30_i64..0),
        ) {
            let standing = standing(expected, found, all);
            let first = standing.judge(since.map(at), PATIENCE, at(0));
            let last = match first.due_at {
                Some(due) => {
                    prop_assert_eq!(first.state, ExpectationState::Expected);
                    standing.judge(first.differs_since, PATIENCE, due)
                }
                None => first,
            };
            prop_assert_eq!(last.due_at, None);
            prop_assert_ne!(last.state, ExpectationState::Expected);
            prop_assert_eq!(last.differs_since.is_none(), expected == found);
        }
    }
}
