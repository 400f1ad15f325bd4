//! The problems that routes answer with, for the contract.

#![expect(dead_code, reason = "read by the macro that writes the contract, never made")]

use utoipa::IntoResponses;

use super::Problem;

/// What any route may answer.
#[derive(IntoResponses)]
pub(super) enum Unserved {
    /// The request cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Unreadable(Problem),
    /// No valid API key.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The API key lacks the scope that the route wants, may not be used from that address or database, or its merchant is disabled.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The URL is too long.
    #[response(status = 414, content_type = "application/problem+json")]
    UriTooLong(Problem),
    /// Too many requests of this key or merchant, or without a valid key from this address, or the provider takes no more for now. Repeat after `Retry-After`, under the same
    /// key: nothing was stored.
    #[response(status = 429, content_type = "application/problem+json", headers(
        ("Retry-After" = u64, description = "seconds")
    ))]
    TooMany(Problem),
    /// The headers are too large.
    #[response(status = 431, content_type = "application/problem+json")]
    HeadersTooLarge(Problem),
    /// Something failed on our side; repeating the request under its key is safe.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// Come back later, under the same key.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What a route that looks may answer besides.
#[derive(IntoResponses)]
pub(super) enum Unfound {
    /// No such thing, or not this merchant's, or of the other mode.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// A field or parameter is wrong.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// What a route that has something done again may answer besides.
#[derive(IntoResponses)]
pub(super) enum Untouchable {
    /// It cannot be taken up by hand as it stands.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}

/// What a route that names a payment or asks the provider may answer besides.
#[derive(IntoResponses)]
pub(super) enum InTheWay {
    /// No such payment, account or instance.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The payment does not allow it as it stands, the reference is in use, or the request is being served.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// A field is wrong, or the provider refused.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The provider does not accept the account's key.
    #[response(status = 502, content_type = "application/problem+json")]
    ProviderUnauthorized(Problem),
}

/// What a route with a body may answer besides.
#[derive(IntoResponses)]
pub(super) enum Oversized {
    /// The body came too slowly.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not said to be JSON, or is compressed.
    #[response(status = 415, content_type = "application/problem+json")]
    Unsupported(Problem),
}
