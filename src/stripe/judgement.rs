//! What one attempt to send a request means: for the operation, and for sending it again.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::client::{Answer, Attempt};
use super::refusal::Refusal;
use crate::provider::{Ambiguity, ProviderError};

/// What an attempt came to, and whether another one could come to more.
#[derive(Debug)]
pub(super) struct Judged<T> {
    pub(super) conclusion: Conclusion<T>,
    pub(super) again: bool,
    pub(super) after: Option<Duration>,
    /// How long the account's every request would be refused.
    pub(super) rest: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Conclusion<T> {
    Answered(T),
    Refused(Box<Refusal>),
    Troubled(Trouble),
}

impl<T> Conclusion<T> {
    /// In a word, for metrics.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Refused(_) => "refused",
            Self::Troubled(Trouble::NotTaken(_)) => "unavailable",
            Self::Troubled(Trouble::Busy) => "busy",
            Self::Troubled(Trouble::RateLimited) => "rate_limited",
            Self::Troubled(Trouble::Auth(None)) => "auth",
            Self::Troubled(Trouble::Auth(Some(_))) => "lacks",
            Self::Troubled(Trouble::Lost(_) | Trouble::Stored(_)) => "ambiguous",
        }
    }
}

/// What kept an attempt from an answer that settles anything.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing happened: it never left, or something other than Stripe's API answered.
    NotTaken(String),
    /// Nothing happened: another request holds the object.
    Busy,
    /// Nothing happened.
    RateLimited,
    /// Nothing happened. Where the key is a restricted one: which permission it lacks.
    Auth(Option<String>),
    /// It may have happened, or be happening.
    Lost(&'static str),
    /// It may have happened, and the key will never tell.
    Stored(&'static str),
}

/// Judges one attempt.
pub(super) fn judge<T: DeserializeOwned>(attempt: Attempt) -> Judged<T> {
    let (conclusion, again, answer) = match attempt {
        Attempt::NotSent(cause) => (Conclusion::Troubled(Trouble::NotTaken(cause)), true, None),
        Attempt::Lost(cause) => (Conclusion::Troubled(Trouble::Lost(cause)), true, None),
        Attempt::Answered(answer) => {
            let (conclusion, again) = conclude(&answer);
            (conclusion, again, Some(answer))
        }
    };
    let said = answer.as_ref().and_then(|answer| answer.should_retry);
    let settled = matches!(
        conclusion,
        Conclusion::Answered(_) | Conclusion::Troubled(Trouble::Stored(_))
    );
    let after = answer.as_ref().and_then(|answer| answer.retry_after);
    let of_the_account = matches!(conclusion, Conclusion::Troubled(Trouble::RateLimited))
        && answer.is_some_and(|answer| !answer.of_one_object);
    Judged {
        conclusion,
        again: !settled && said.unwrap_or(again),
        after,
        rest: after.filter(|_| of_the_account),
    }
}

/// What an answer means, and whether to send again where Stripe does not say.
fn conclude<T: DeserializeOwned>(answer: &Answer) -> (Conclusion<T>, bool) {
    let trouble = Conclusion::Troubled;
    match answer.status.as_u16() {
        200..=299 => serde_json::from_slice(&answer.body).map_or_else(
            // It was done; asking again replays the answer, whole this time.
            |_| (trouble(Trouble::Lost("the answer cannot be read")), true),
            |object| (Conclusion::Answered(object), false),
        ),
        401 | 403 => {
            let lacks = Refusal::parse(&answer.body).and_then(|refusal| refusal.permission());
            (trouble(Trouble::Auth(lacks)), false)
        }
        409 => match Refusal::parse(&answer.body) {
            // A request with this key, of before a crash, is still being carried out.
            Some(refusal) if refusal.of_the_key() => {
                (trouble(Trouble::Lost("the key is still in use")), true)
            }
            _ => (trouble(Trouble::Busy), true),
        },
        429 => match Refusal::parse(&answer.body) {
            Some(refusal) if refusal.of_a_lock() => (trouble(Trouble::Busy), true),
            _ => (trouble(Trouble::RateLimited), true),
        },
        500.. if answer.replayed => (
            trouble(Trouble::Stored("a failure is stored under the key")),
            false,
        ),
        500.. => (trouble(Trouble::Lost("the provider failed")), true),
        status => match Refusal::parse(&answer.body) {
            // Something was carried out under this key before. What, only looking up tells.
            Some(refusal) if refusal.of_the_key() => (
                trouble(Trouble::Stored("the key was used with other parameters")),
                false,
            ),
            Some(refusal) if status >= 400 => (Conclusion::Refused(Box::new(refusal)), false),
            _ => (
                trouble(Trouble::NotTaken(format!(
                    "status {status} from something that is not Stripe's API"
                ))),
                false,
            ),
        },
    }
}

impl Trouble {
    /// What it means for a request that moves money. `unclear`: an earlier attempt may have moved it.
    pub(super) fn of_an_operation(self, unclear: bool, after: Option<Duration>) -> ProviderError {
        let ambiguous = |ambiguity, message: String| ProviderError::Ambiguous { ambiguity, message };
        match self {
            Self::Stored(cause) => ambiguous(Ambiguity::Stored, cause.to_owned()),
            Self::Lost(cause) => ambiguous(Ambiguity::NoAnswer, cause.to_owned()),
            Self::NotTaken(cause) if unclear => {
                ambiguous(Ambiguity::NoAnswer, format!("no answer, then {cause}"))
            }
            Self::Busy | Self::RateLimited | Self::Auth(_) if unclear => {
                ambiguous(Ambiguity::NoAnswer, "no answer, and then no access".to_owned())
            }
            Self::NotTaken(_) | Self::Busy | Self::RateLimited | Self::Auth(_) => self.of_a_read(after),
        }
    }

    /// What it means for a request that changes nothing: nothing ever happened.
    pub(super) fn of_a_read(self, after: Option<Duration>) -> ProviderError {
        match self {
            Self::Auth(None) => ProviderError::Auth,
            Self::Auth(Some(permission)) => ProviderError::Lacks { permission },
            Self::RateLimited => ProviderError::RateLimited { after },
            Self::Busy => ProviderError::Unavailable {
                message: "the object is in use".to_owned(),
            },
            Self::NotTaken(message) => ProviderError::Unavailable { message },
            Self::Lost(cause) | Self::Stored(cause) => ProviderError::Unavailable {
                message: cause.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failed unwrap is a failed test"
    )]

    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderName};
    use serde_json::{Value, json};

    use super::*;

    const LOST: Trouble = Trouble::Lost("");

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &Value) -> Judged<Value> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        judge(Attempt::Answered(Answer::new(
            status,
            &headers,
            body.to_string().into(),
        )))
    }

    fn error(kind: &str, code: &str) -> Value {
        json!({ "error": { "type": kind, "code": code, "message": "words" } })
    }

    fn operation_error(judged: Judged<Value>, unclear: bool) -> ProviderError {
        match judged.conclusion {
            Conclusion::Troubled(trouble) => trouble.of_an_operation(unclear, judged.after),
            Conclusion::Refused(refusal) => refusal.into_error(),
            Conclusion::Answered(_) => panic!("an answer is no error"),
        }
    }

    #[test]
    fn what_stripe_says_about_sending_again_wins_over_the_status() {
        let none = json!({});
        for status in [409, 429, 500, 502, 503] {
            assert!(answer(status, &[], &none).again, "{status}");
            assert!(
                !answer(status, &[("stripe-should-retry", "false")], &none).again,
                "{status}"
            );
        }
        for status in [400, 401, 402, 403, 404] {
            let refused = error("invalid_request_error", "parameter_invalid");
            assert!(!answer(status, &[], &refused).again, "{status}");
            assert!(
                answer(status, &[("stripe-should-retry", "true")], &refused).again,
                "{status}"
            );
        }
    }

    #[test]
    fn a_stored_failure_is_never_asked_for_again() {
        let headers = [("idempotent-replayed", "true"), ("stripe-should-retry", "true")];
        let judged = answer(500, &headers, &json!({}));
        assert!(!judged.again);
        let error = operation_error(judged, false);
        assert!(
            matches!(
                error,
                ProviderError::Ambiguous {
                    ambiguity: Ambiguity::Stored,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_replayed_success_is_a_success() {
        let judged = answer(200, &[("idempotent-replayed", "true")], &json!({ "id": "pi_1" }));
        assert!(matches!(judged.conclusion, Conclusion::Answered(_)) && !judged.again);
    }

    #[test]
    fn no_answer_holds_a_nul() {
        let told = answer(200, &[], &json!({ "id": "pi_1", "description": "a\0b" }));
        let Conclusion::Answered(told) = told.conclusion else {
            panic!("{told:?}")
        };
        assert_eq!(told["description"], "a\u{fffd}b");
        let refused = answer(
            400,
            &[],
            &json!({ "error": { "code": "x\0", "message": "a\0b" } }),
        );
        let error = operation_error(refused, false);
        assert!(
            matches!(&error, ProviderError::Invalid { code, message, .. } if code == "x\u{fffd}" && message == "a\u{fffd}b"),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_was_used_otherwise_is_looked_up_and_not_taken_for_a_refusal() {
        let error = operation_error(answer(400, &[], &error("idempotency_error", "")), false);
        assert!(
            matches!(
                error,
                ProviderError::Ambiguous {
                    ambiguity: Ambiguity::Stored,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_is_still_in_use_may_be_moving_money() {
        let in_use = answer(409, &[], &error("idempotency_error", "idempotency_key_in_use"));
        assert!(in_use.again);
        let error = operation_error(in_use, false);
        assert!(
            matches!(
                error,
                ProviderError::Ambiguous {
                    ambiguity: Ambiguity::NoAnswer,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn where_nothing_happened_the_error_says_so() {
        let locked = answer(409, &[], &error("invalid_request_error", "lock_timeout"));
        assert!(matches!(
            operation_error(locked, false),
            ProviderError::Unavailable { .. }
        ));
        let unauthorized = answer(401, &[], &error("invalid_request_error", ""));
        assert!(matches!(
            operation_error(unauthorized, false),
            ProviderError::Auth
        ));
        let locked = answer(
            429,
            &[("retry-after", "7")],
            &error("invalid_request_error", "lock_timeout"),
        );
        assert_eq!(locked.rest, None, "the account is as free as before");
        assert!(matches!(
            operation_error(locked, false),
            ProviderError::Unavailable { .. }
        ));
        let forbidden = answer(403, &[], &error("invalid_request_error", "secret_key_required"));
        assert!(matches!(operation_error(forbidden, false), ProviderError::Auth));
        let limited = operation_error(answer(429, &[("retry-after", "7")], &json!({})), false);
        assert!(matches!(limited, ProviderError::RateLimited { after: Some(after) } if after.as_secs() == 7));
        let elsewhere = answer(404, &[], &json!("<html>"));
        assert!(matches!(
            operation_error(elsewhere, false),
            ProviderError::Unavailable { .. }
        ));
        let moved = answer(301, &[], &json!({}));
        assert!(matches!(
            operation_error(moved, false),
            ProviderError::Unavailable { .. }
        ));
    }

    #[test]
    fn an_account_rests_when_its_own_limit_is_reached_and_for_nothing_else() {
        let (after, limit) = (("retry-after", "7"), error("invalid_request_error", "rate_limit"));
        let reason = |reason| ("stripe-rate-limited-reason", reason);
        for headers in [&[after][..], &[after, reason("global-rate")]] {
            assert_eq!(answer(429, headers, &limit).rest, Some(Duration::from_secs(7)));
        }
        assert_eq!(
            answer(429, &[after, reason("resource-specific")], &limit).rest,
            None
        );
        assert_eq!(answer(429, &[], &limit).rest, None);
        assert_eq!(answer(503, &[after], &json!({})).rest, None);
    }

    #[test]
    fn a_time_to_come_back_that_is_no_number_of_seconds_is_passed_over() {
        for date in ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "0.5", "soon", ""] {
            let judged = answer(429, &[("retry-after", date)], &json!({}));
            assert_eq!(
                (judged.after, judged.rest, judged.again),
                (None, None, true),
                "{date}"
            );
        }
    }

    #[test]
    fn once_an_attempt_was_unclear_nothing_that_merely_kept_us_out_makes_it_clear() {
        let kept_out = [
            Trouble::NotTaken("refused".to_owned()),
            Trouble::Busy,
            Trouble::RateLimited,
            Trouble::Auth(None),
            Trouble::Auth(Some("charge_write".to_owned())),
            LOST,
        ];
        for trouble in kept_out {
            let error = trouble.of_an_operation(true, None);
            assert!(
                matches!(
                    error,
                    ProviderError::Ambiguous {
                        ambiguity: Ambiguity::NoAnswer,
                        ..
                    }
                ),
                "{error}"
            );
        }
    }

    #[test]
    fn a_read_is_never_ambiguous() {
        for trouble in [LOST, Trouble::Stored(""), Trouble::Busy] {
            assert!(matches!(
                trouble.of_a_read(None),
                ProviderError::Unavailable { .. }
            ));
        }
    }

    #[test]
    fn no_error_shows_a_body() {
        let secret = json!({ "client_secret": "pi_1_secret_x", "error": { "type": "api_error", "payment_method": "x@y.z" } });
        for status in [200, 301, 400, 401, 404, 409, 429, 500] {
            let judged = answer(status, &[], &secret);
            if !matches!(judged.conclusion, Conclusion::Answered(_)) {
                let shown = format!("{:?}", operation_error(judged, true));
                assert!(!shown.contains("secret_x") && !shown.contains("x@y.z"), "{shown}");
            }
        }
    }
}
