//! Lists with cursors, and the expansion of ids into the objects that they name.

use std::ops::Range;

use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields};
use super::state::{Row, State, Table};

/// Stripe's own limit on the depth of `expand`.
const MAX_EXPAND_DEPTH: usize = 4;

/// Which part of a list is asked for.
#[derive(Debug)]
pub(crate) struct Page {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
}

impl Page {
    /// Takes `limit`, `starting_after` and `ending_before`.
    pub(crate) fn take(fields: &mut Fields) -> Checked<Self> {
        let limit = match fields.integer("limit")? {
            None => 10,
            Some(limit @ 1..=100) => usize::try_from(limit).unwrap_or(100),
            Some(_) => {
                let error = ApiError::invalid("Limits can range between 1 and 100.");
                return Err(error.code("parameter_invalid_integer").param("limit"));
            }
        };
        Ok(Self {
            limit,
            starting_after: fields.text("starting_after")?,
            ending_before: fields.text("ending_before")?,
        })
    }

    /// The page of rows that `wanted` lets through, newest first.
    pub(crate) fn of<T: Row>(
        &self,
        table: &Table<T>,
        url: &str,
        wanted: impl Fn(&T) -> bool,
    ) -> Checked<Value> {
        let rows = table.rows();
        let (mut data, has_more) = if let Some(cursor) = &self.ending_before {
            let after = position(table, cursor, "ending_before")? + 1;
            let newer = rows.iter().skip(after).filter(|row| wanted(row));
            self.fill(newer)
        } else {
            let end = match &self.starting_after {
                Some(cursor) => position(table, cursor, "starting_after")?,
                None => rows.len(),
            };
            let older = rows.iter().take(end).rev().filter(|row| wanted(row));
            self.fill(older)
        };
        if self.ending_before.is_some() {
            data.reverse();
        }
        Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": data }))
    }

    /// The page of rows that are only numbers, counted from the oldest; newest first. `number` reads an id.
    pub(crate) fn numbers(
        &self,
        within: Range<i64>,
        kind: &str,
        number: impl Fn(&str) -> Option<i64>,
    ) -> Checked<(Vec<i64>, bool)> {
        let place = |cursor: &str, param: &str| {
            number(cursor).ok_or_else(|| ApiError::missing_param(kind, cursor, param))
        };
        let (mut start, mut end) = (within.start, within.end);
        if let Some(cursor) = &self.starting_after {
            end = end.min(place(cursor, "starting_after")?);
        }
        if let Some(cursor) = &self.ending_before {
            start = start.max(place(cursor, "ending_before")? + 1);
        }
        let limit = i64::try_from(self.limit).unwrap_or_default();
        let has_more = end - start > limit;
        if self.ending_before.is_some() {
            end = end.min(start + limit);
        } else {
            start = start.max(end - limit);
        }
        Ok(((start..end).rev().collect(), has_more))
    }

    fn fill<'a, T: Row + 'a>(&self, mut rows: impl Iterator<Item = &'a T>) -> (Vec<Value>, bool) {
        let data = rows.by_ref().take(self.limit).map(Row::view).collect();
        (data, rows.next().is_some())
    }
}

fn position<T: Row>(table: &Table<T>, cursor: &str, param: &str) -> Checked<usize> {
    table
        .position(cursor)
        .ok_or_else(|| ApiError::missing_param(T::KIND, cursor, param))
}

/// Takes `expand[]` and checks its depth.
pub(crate) fn take_expand(fields: &mut Fields) -> Checked<Vec<String>> {
    let paths = fields.list("expand")?;
    match paths
        .iter()
        .find(|path| path.split('.').count() > MAX_EXPAND_DEPTH)
    {
        None => Ok(paths),
        Some(path) => {
            let message =
                format!("You cannot expand more than {MAX_EXPAND_DEPTH} levels of a property ({path}).");
            Err(ApiError::invalid(message).param("expand"))
        }
    }
}

/// Replaces what `path` names inside `value` by the object itself.
pub(crate) fn expand(state: &State, value: &mut Value, path: &str) -> Checked<()> {
    expand_from(state, value, path, path)
}

fn expand_from(state: &State, value: &mut Value, path: &str, whole: &str) -> Checked<()> {
    if let Value::Array(items) = value {
        return items
            .iter_mut()
            .try_for_each(|item| expand_from(state, item, path, whole));
    }
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    if name == "refunds" && value["object"] == "charge" && value.get(name).is_none() {
        value["refunds"] = refunds_of(state, value["id"].as_str().unwrap_or_default());
    }
    let Some(inner) = value.get_mut(name) else {
        let message = format!("This property cannot be expanded ({whole}).");
        return Err(ApiError::invalid(message).param("expand"));
    };
    if let Some(object) = inner.as_str().and_then(|id| state.view(id)) {
        *inner = object;
    }
    match rest {
        Some(rest) if !inner.is_null() => expand_from(state, inner, rest, whole),
        _ => Ok(()),
    }
}

/// The list inside a charge, which Stripe includes only when asked.
fn refunds_of(state: &State, charge: &str) -> Value {
    let data: Vec<Value> = state
        .refunds
        .rows()
        .iter()
        .rev()
        .filter(|refund| refund.charge == charge)
        .map(Row::view)
        .collect();
    let url = format!("/v1/charges/{charge}/refunds");
    json!({ "object": "list", "url": url, "has_more": false, "data": data })
}
