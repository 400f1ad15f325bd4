//! What a merchant says against a dispute: texts, and ids of files.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields};
use super::Verdict;

/// Stripe's own limits, in characters: long texts, short ones, and all together.
const MAX_LONG: usize = 20_000;
const MAX_SHORT: usize = 5_000;
const MAX_WHOLE: usize = 150_000;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Long,
    Short,
    File,
}

const FIELDS: [(&str, Kind); 27] = [
    ("access_activity_log", Kind::Long),
    ("billing_address", Kind::Short),
    ("cancellation_policy", Kind::File),
    ("cancellation_policy_disclosure", Kind::Long),
    ("cancellation_rebuttal", Kind::Long),
    ("customer_communication", Kind::File),
    ("customer_email_address", Kind::Short),
    ("customer_name", Kind::Short),
    ("customer_purchase_ip", Kind::Short),
    ("customer_signature", Kind::File),
    ("duplicate_charge_documentation", Kind::File),
    ("duplicate_charge_explanation", Kind::Long),
    ("duplicate_charge_id", Kind::Short),
    ("product_description", Kind::Long),
    ("receipt", Kind::File),
    ("refund_policy", Kind::File),
    ("refund_policy_disclosure", Kind::Long),
    ("refund_refusal_explanation", Kind::Long),
    ("service_date", Kind::Short),
    ("service_documentation", Kind::File),
    ("shipping_address", Kind::Short),
    ("shipping_carrier", Kind::Short),
    ("shipping_date", Kind::Short),
    ("shipping_documentation", Kind::File),
    ("shipping_tracking_number", Kind::Short),
    ("uncategorized_file", Kind::File),
    ("uncategorized_text", Kind::Long),
];

/// The evidence that was given so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence(BTreeMap<&'static str, String>);

impl Evidence {
    /// Takes more of it; an empty text takes a field back.
    pub(super) fn set(&mut self, mut fields: Fields) -> Checked<()> {
        for (name, kind) in FIELDS {
            let Some(text) = fields.text(name)? else {
                continue;
            };
            check(name, kind, &text)?;
            if text.is_empty() {
                self.0.remove(name);
            } else {
                self.0.insert(name, text);
            }
        }
        fields.finish()?;
        let whole: usize = self.0.values().map(|text| text.chars().count()).sum();
        if whole > MAX_WHOLE {
            let message = format!("The evidence has {whole} characters in all, and may have {MAX_WHOLE}.");
            return Err(ApiError::invalid(message).param("evidence"));
        }
        Ok(())
    }

    pub(super) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn view(&self) -> Value {
        let mut view: Value = FIELDS
            .iter()
            .map(|(name, _)| ((*name).to_owned(), Value::from(self.0.get(name).cloned())))
            .collect();
        view["enhanced_evidence"] = json!({});
        view
    }

    /// The bank's decision, where the evidence is one of Stripe's test texts (<https://docs.stripe.com/testing>).
    pub(super) fn verdict(&self) -> Option<Verdict> {
        match self.0.get("uncategorized_text")?.as_str() {
            "winning_evidence" => Some(Verdict::Won),
            "losing_evidence" => Some(Verdict::Lost),
            _ => None,
        }
    }
}

fn check(name: &str, kind: Kind, text: &str) -> Checked<()> {
    let param = format!("evidence[{name}]");
    let limit = match kind {
        Kind::File if text.is_empty() || text.starts_with("file_") => return Ok(()),
        Kind::File => return Err(ApiError::missing_param("file", text, &param)),
        Kind::Long => MAX_LONG,
        Kind::Short => MAX_SHORT,
    };
    if text.chars().count() > limit {
        let error = ApiError::invalid(format!("Invalid string: must be at most {limit} characters"));
        return Err(error.code("parameter_invalid_string_too_long").param(param));
    }
    Ok(())
}
