//! In which of its forms a report is wanted.

use actix_web::http::header::Accept;
use serde::Deserialize;
use utoipa::ToSchema;

/// A form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
    /// For people.
    Html,
}

impl Format {
    /// What a caller would rather have; JSON where it has said nothing that we can give.
    pub(super) fn accepted(accept: Option<Accept>) -> Self {
        let ranked = accept.map(|accept| accept.ranked()).unwrap_or_default();
        let known =
            ranked.iter().find_map(
                |wanted| match (wanted.type_().as_str(), wanted.subtype().as_str()) {
                    ("text", "csv") => Some(Self::Csv),
                    ("text", "html") => Some(Self::Html),
                    ("application" | "*", "json" | "*") => Some(Self::Json),
                    _ => None,
                },
            );
        known.unwrap_or(Self::Json)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{Accept, Header as _};
    use actix_web::test::TestRequest;

    use super::Format;

    #[test]
    fn what_a_caller_would_rather_have_is_what_it_gets() {
        for (accept, format) in [
            ("*/*", Format::Json),
            ("application/json", Format::Json),
            ("text/csv", Format::Csv),
            ("text/csv;q=0.5, application/json;q=0.9", Format::Json),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Format::Html,
            ),
            ("image/png", Format::Json),
        ] {
            let request = TestRequest::default()
                .insert_header(("accept", accept))
                .to_http_request();
            assert_eq!(Format::accepted(Accept::parse(&request).ok()), format, "{accept}");
        }
        assert_eq!(Format::accepted(None), Format::Json);
    }
}
