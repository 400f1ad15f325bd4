//! Typed access to a request's parameters; what nobody asked for is refused by name, as Stripe does.

use std::collections::BTreeMap;

use super::errors::ApiError;
use super::form::{self, Param, Params};

/// A refusal, or the value.
pub(crate) type Checked<T> = Result<T, ApiError>;

/// The metadata of an object.
pub(crate) type Metadata = BTreeMap<String, String>;

/// Parameters that are taken out one by one; [`finish`](Self::finish) refuses the rest.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    /// `automatic_payment_methods` for what stands in its brackets; empty at the top.
    within: String,
    params: Params,
}

/// Bounds on a time, as `created[gte]` gives them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeRange {
    from: Option<i64>,
    until: Option<i64>,
}

impl TimeRange {
    /// Whether a time lies within the bounds.
    pub(crate) fn contains(self, time: i64) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time <= until)
    }

    /// The first time and the last.
    pub(crate) const fn bounds(self) -> (Option<i64>, Option<i64>) {
        (self.from, self.until)
    }
}

impl Fields {
    pub(crate) fn new(params: Params) -> Self {
        Self {
            within: String::new(),
            params,
        }
    }

    /// What stood in the brackets of `name`.
    pub(crate) fn within(name: &str, params: Params) -> Self {
        Self {
            within: name.to_owned(),
            params,
        }
    }

    /// A text; the empty one means "unset" and is told apart by `Some("")`.
    pub(crate) fn text(&mut self, name: &str) -> Checked<Option<String>> {
        match self.params.remove(name) {
            None => Ok(None),
            Some(Param::Text(text)) => Ok(Some(text)),
            Some(Param::Map(_)) => {
                Err(ApiError::invalid(format!("Invalid string: {name}")).param(self.full(name)))
            }
        }
    }

    pub(crate) fn required(&mut self, name: &str) -> Checked<String> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.absent(name))
    }

    pub(crate) fn integer(&mut self, name: &str) -> Checked<Option<i64>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            let error = ApiError::invalid(format!("Invalid integer: {text}"));
            error.code("parameter_invalid_integer").param(self.full(name))
        })?;
        Ok(Some(number))
    }

    pub(crate) fn required_integer(&mut self, name: &str) -> Checked<i64> {
        self.integer(name)?.ok_or_else(|| self.absent(name))
    }

    /// An amount in minor units, at least one.
    pub(crate) fn positive(&mut self, name: &str) -> Checked<Option<i64>> {
        match self.integer(name)? {
            Some(number) if number < 1 => {
                let error = ApiError::invalid("This value must be greater than or equal to 1.");
                Err(error.code("parameter_invalid_integer").param(self.full(name)))
            }
            number => Ok(number),
        }
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Checked<Option<bool>> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid(format!("Invalid boolean: {other}")).param(self.full(name))),
        }
    }

    /// One of a few words.
    pub(crate) fn choice(&mut self, name: &str, words: &[&'static str]) -> Checked<Option<&'static str>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let word = words.iter().copied().find(|word| *word == text).ok_or_else(|| {
            let full = self.full(name);
            let message = format!("Invalid {full}: must be one of {}", words.join(", "));
            ApiError::invalid(message).param(full)
        })?;
        Ok(Some(word))
    }

    /// The texts of a list.
    pub(crate) fn list(&mut self, name: &str) -> Checked<Vec<String>> {
        let list = match self.params.remove(name) {
            None => return Ok(Vec::new()),
            Some(Param::Map(list)) => form::texts(&list),
            Some(Param::Text(_)) => None,
        };
        list.ok_or_else(|| ApiError::invalid("Invalid array").param(self.full(name)))
    }

    /// The sections of a list, in the order of their numbers.
    pub(crate) fn sections(&mut self, name: &str) -> Checked<Vec<Self>> {
        let Some(list) = self.section(name)? else {
            return Ok(Vec::new());
        };
        let mut sections = Vec::new();
        for (index, param) in list.params {
            let within = format!("{}[{index}]", list.within);
            let (Param::Map(params), Ok(index)) = (param, index.parse::<usize>()) else {
                return Err(ApiError::invalid("Invalid array").param(list.within));
            };
            sections.push((index, Self { within, params }));
        }
        sections.sort_by_key(|(index, _)| *index);
        Ok(sections.into_iter().map(|(_, section)| section).collect())
    }

    /// What stands in the brackets of `name`, if anything does.
    pub(crate) fn section(&mut self, name: &str) -> Checked<Option<Self>> {
        match self.params.remove(name) {
            None => Ok(None),
            Some(Param::Map(params)) => Ok(Some(Self {
                within: self.full(name),
                params,
            })),
            Some(Param::Text(text)) if text.is_empty() => Ok(None),
            Some(Param::Text(_)) => Err(ApiError::invalid("Invalid object").param(self.full(name))),
        }
    }

    /// Metadata to merge: empty values unset their keys, and `metadata=` unsets all (an empty map, by itself).
    pub(crate) fn metadata(&mut self) -> Checked<Option<Metadata>> {
        match self.params.remove("metadata") {
            None => Ok(None),
            Some(Param::Text(text)) if text.is_empty() => Ok(Some(Metadata::new())),
            Some(Param::Map(params)) => params
                .into_iter()
                .map(metadatum)
                .collect::<Checked<_>>()
                .map(Some),
            Some(Param::Text(_)) => Err(ApiError::invalid("Invalid object").param("metadata")),
        }
    }

    /// Bounds on a time: `created=…` or `created[gte]=…`.
    pub(crate) fn times(&mut self, name: &str) -> Checked<TimeRange> {
        if matches!(self.params.get(name), Some(Param::Text(_))) {
            let exact = self.integer(name)?;
            return Ok(TimeRange {
                from: exact,
                until: exact,
            });
        }
        let Some(mut bounds) = self.section(name)? else {
            return Ok(TimeRange::default());
        };
        let after = bounds.integer("gt")?.map(|time| time + 1);
        let before = bounds.integer("lt")?.map(|time| time - 1);
        let range = TimeRange {
            from: bounds.integer("gte")?.or(after),
            until: bounds.integer("lte")?.or(before),
        };
        bounds.finish()?;
        Ok(range)
    }

    /// Whether a parameter was given and is not taken yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.params.contains_key(name)
    }

    /// What is left, taken as it is.
    pub(crate) fn into_params(self) -> Params {
        self.params
    }

    /// Accepts parameters that change nothing here.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.params.remove(*name);
        }
    }

    /// Refuses what was not taken.
    pub(crate) fn finish(self) -> Checked<()> {
        match self.params.keys().next() {
            None => Ok(()),
            Some(name) => {
                let full = self.full(name);
                let error = ApiError::invalid(format!("Received unknown parameter: {full}"));
                Err(error.code("parameter_unknown").param(full))
            }
        }
    }

    /// What is refused where a parameter is needed.
    pub(crate) fn absent(&self, name: &str) -> ApiError {
        let full = self.full(name);
        ApiError::invalid(format!("Missing required param: {full}."))
            .code("parameter_missing")
            .param(full)
    }

    fn full(&self, name: &str) -> String {
        if self.within.is_empty() {
            name.to_owned()
        } else {
            format!("{}[{name}]", self.within)
        }
    }
}

/// Stripe's limits: 40 characters for a key, 500 for a value.
fn metadatum((key, value): (String, Param)) -> Checked<(String, String)> {
    let Param::Text(value) = value else {
        return Err(ApiError::invalid("Metadata values must be strings").param(format!("metadata[{key}]")));
    };
    if key.chars().count() > 40 || value.chars().count() > 500 {
        let message = "Metadata keys have up to 40 characters and values up to 500";
        return Err(ApiError::invalid(message).param(format!("metadata[{key}]")));
    }
    Ok((key, value))
}

/// Merges an update into metadata as Stripe does.
pub(crate) fn merge(metadata: &mut Metadata, update: Metadata) {
    if update.is_empty() {
        metadata.clear();
    }
    for (key, value) in update {
        if value.is_empty() {
            metadata.remove(&key);
        } else {
            metadata.insert(key, value);
        }
    }
}
