//! Search, which lags behind what was written.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields};
use super::state::{Row, Settings, Table, now};

/// A row that can be searched for.
pub(crate) trait Searchable: Row {
    fn created(&self) -> i64;

    /// Whether a field, or an entry of `metadata`, has a value.
    fn has(&self, field: &str, key: Option<&str>, value: &str) -> bool;
}

/// One `field:'value'` of a query.
#[derive(Debug, PartialEq, Eq)]
struct Clause {
    field: String,
    /// The key in `metadata['key']`.
    key: Option<String>,
    value: String,
}

impl Clause {
    fn fits(&self, row: &impl Searchable) -> bool {
        row.has(&self.field, self.key.as_deref(), &self.value)
    }
}

/// What a search in `table` finds, newest first; `url` names the search.
pub(crate) fn search<T: Searchable>(
    settings: &Settings,
    table: &Table<T>,
    url: &str,
    mut fields: Fields,
) -> Checked<Value> {
    let query = fields.required("query")?;
    let limit = match fields.integer("limit")? {
        None => 10,
        Some(limit) => usize::try_from(limit.clamp(1, 100)).unwrap_or(100),
    };
    let after = fields.text("page")?;
    fields.finish()?;
    let clauses = parse(&query).ok_or_else(|| {
        let message = format!("We were unable to parse your search query: {query}");
        ApiError::invalid(message).param("query")
    })?;
    let indexed_until = now() - i64::try_from(settings.search_lag.as_secs()).unwrap_or(i64::MAX);
    let end = after.and_then(|id| table.position(&id));
    let rows = table.rows();
    let mut found = rows
        .iter()
        .take(end.unwrap_or(rows.len()))
        .rev()
        .filter(|row| row.created() <= indexed_until)
        .filter(|row| clauses.iter().all(|clause| clause.fits(*row)));
    let data: Vec<_> = found.by_ref().take(limit).collect();
    let more = found.next().is_some();
    let next = data.last().filter(|_| more).map(|row| row.id().to_owned());
    let data: Vec<Value> = data.into_iter().map(Row::view).collect();
    Ok(json!({
        "object": "search_result",
        "url": url,
        "has_more": more,
        "data": data,
        "next_page": next,
    }))
}

/// `field:'value'` and `metadata['key']:"value"`, joined by `AND` or a space.
fn parse(query: &str) -> Option<Vec<Clause>> {
    let mut rest = query.trim();
    let mut clauses = Vec::new();
    while !rest.is_empty() {
        rest = rest.strip_prefix("AND ").unwrap_or(rest).trim_start();
        let end = rest.find(['[', ':'])?;
        let (field, after) = rest.split_at(end);
        let (key, after) = match after.strip_prefix('[') {
            Some(after) => {
                let (key, after) = quoted(after)?;
                (Some(key), after.strip_prefix(']')?)
            }
            None => (None, after),
        };
        let after = after.strip_prefix(':')?;
        let (value, after) = match quoted(after) {
            Some(found) => found,
            None => after.split_at(after.find(' ').unwrap_or(after.len())),
        };
        clauses.push(Clause {
            field: field.trim().to_owned(),
            key: key.map(str::to_owned),
            value: value.to_owned(),
        });
        rest = after.trim_start();
    }
    (!clauses.is_empty()).then_some(clauses)
}

/// The text between quotes at the start, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text.strip_prefix(quote)?.split_once(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_clauses_joined_by_and() {
        let clause = |field: &str, key: Option<&str>, value: &str| Clause {
            field: field.to_owned(),
            key: key.map(str::to_owned),
            value: value.to_owned(),
        };
        let expected = vec![
            clause("metadata", Some("op"), "op_1 AND"),
            clause("amount", None, "1099"),
        ];
        assert_eq!(parse("metadata['op']:'op_1 AND' AND amount:1099"), Some(expected));
        assert_eq!(parse("nonsense"), None);
        assert_eq!(parse(""), None);
    }
}
