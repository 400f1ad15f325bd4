//! Where spans go.

use url::Url;

use super::table::PREFIX;
use super::{ConfigError, Raw, bounded};
use crate::telemetry::Export;

/// What stands for a setting without a value.
const NONE: &str = "none";

/// Where a collector takes spans, where its address alone is said.
const PATH: &str = "/v1/traces";

pub(super) fn export(raw: &Raw) -> Result<Option<Export>, ConfigError> {
    bounded("otlp_percent", raw.otlp_percent.into(), 0, 100)?;
    if raw.otlp_endpoint == NONE {
        return Ok(None);
    }
    if !cfg!(feature = "otlp") {
        return Err(ConfigError(format!(
            "{PREFIX}OTLP_ENDPOINT cannot be used: this program was built without the feature `otlp`"
        )));
    }
    let mut url = Url::parse(&raw.otlp_endpoint)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            ConfigError(format!(
                "{PREFIX}OTLP_ENDPOINT must be a URL, such as http://otel-collector:4318, or none"
            ))
        })?;
    if url.path() == "/" {
        url.set_path(PATH);
    }
    Ok(Some(Export {
        url,
        percent: raw.otlp_percent,
    }))
}
