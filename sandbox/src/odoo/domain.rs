//! Search domains in prefix notation: `["|", ["ref", "=", "a"], ["ref", "=", "b"]]`.

use serde_json::Value;

use super::books::Books;
use super::error::OdooError;
use super::model::{Model, unknown_field};

/// A condition that a record fits or not.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Domain {
    All(Vec<Self>),
    Any(Box<[Self; 2]>),
    Not(Box<Self>),
    Leaf {
        path: String,
        operator: Operator,
        value: Value,
    },
}

/// The comparisons that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Different,
    In,
    NotIn,
}

impl Domain {
    /// Reads a domain. Terms without an operator before them are all meant.
    pub(super) fn parse(value: &Value) -> Result<Self, OdooError> {
        let terms = value.as_array().ok_or_else(|| {
            OdooError::argument(format!("Domain() invalid argument type for domain: {value}"))
        })?;
        let mut rest = terms.iter();
        let mut all = Vec::new();
        while !rest.as_slice().is_empty() {
            all.push(term(&mut rest)?);
        }
        Ok(Self::All(all))
    }

    /// Refuses fields that the model does not have.
    pub(super) fn check(&self, model: Model) -> Result<(), OdooError> {
        match self {
            Self::All(terms) => terms.iter().try_for_each(|term| term.check(model)),
            Self::Any(pair) => pair.iter().try_for_each(|term| term.check(model)),
            Self::Not(term) => term.check(model),
            Self::Leaf { path, .. } if model.knows(path) => Ok(()),
            Self::Leaf { path, .. } => {
                let message = format!("Invalid field {}.{path} in condition", model.name());
                Err(OdooError::value(message))
            }
        }
    }

    /// Whether a record fits.
    pub(super) fn fits(&self, books: &Books, model: Model, id: i64) -> Result<bool, OdooError> {
        match self {
            Self::All(terms) => {
                for term in terms {
                    if !term.fits(books, model, id)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(pair) => Ok(pair[0].fits(books, model, id)? || pair[1].fits(books, model, id)?),
            Self::Not(term) => Ok(!term.fits(books, model, id)?),
            Self::Leaf {
                path,
                operator,
                value,
            } => {
                if model == Model::Item
                    && let Some(linked) = books.item_link(id, path)
                    && let Some(fits) = fits_link(linked, *operator, value)
                {
                    return Ok(fits);
                }
                let found = follow(books, model, id, path)?;
                let is_in = || {
                    value
                        .as_array()
                        .is_some_and(|values| values.iter().any(|one| same(&found, one)))
                };
                Ok(match operator {
                    Operator::Equal => same(&found, value),
                    Operator::Different => !same(&found, value),
                    Operator::In => is_in(),
                    Operator::NotIn => !is_in(),
                })
            }
        }
    }
}

/// Whether a link fits, where it is compared with ids: items are looked through so often that their names are not written for it.
fn fits_link(linked: i64, operator: Operator, value: &Value) -> Option<bool> {
    let ids = || {
        value
            .as_array()?
            .iter()
            .map(Value::as_i64)
            .collect::<Option<Vec<i64>>>()
    };
    match operator {
        Operator::Equal => Some(linked == value.as_i64()?),
        Operator::Different => Some(linked != value.as_i64()?),
        Operator::In => Some(ids()?.contains(&linked)),
        Operator::NotIn => Some(!ids()?.contains(&linked)),
    }
}

fn term<'a>(rest: &mut impl Iterator<Item = &'a Value>) -> Result<Domain, OdooError> {
    let bad = |value: &Value| OdooError::value(format!("Domain() invalid item in domain: {value}"));
    match rest.next() {
        Some(Value::String(operator)) => match operator.as_str() {
            "|" => Ok(Domain::Any(Box::new([term(rest)?, term(rest)?]))),
            "&" => Ok(Domain::All(vec![term(rest)?, term(rest)?])),
            "!" => Ok(Domain::Not(Box::new(term(rest)?))),
            _ => Err(bad(&Value::String(operator.clone()))),
        },
        Some(Value::Array(leaf)) => match leaf.as_slice() {
            [Value::String(path), Value::String(operator), value] => Ok(Domain::Leaf {
                path: path.clone(),
                operator: match operator.as_str() {
                    "=" => Operator::Equal,
                    "!=" => Operator::Different,
                    "in" => Operator::In,
                    "not in" => Operator::NotIn,
                    _ => {
                        return Err(OdooError::value(format!(
                            "the pretend Odoo does not know '{operator}'"
                        )));
                    }
                },
                value: value.clone(),
            }),
            _ => Err(bad(&Value::Array(leaf.clone()))),
        },
        Some(other) => Err(bad(other)),
        None => Err(OdooError::value("Domain() has an operator without a condition")),
    }
}

/// Reads a field through links, such as `payment_id.payment_reference`. Nothing where a link leads nowhere.
fn follow(books: &Books, model: Model, id: i64, path: &str) -> Result<Value, OdooError> {
    let Some((field, rest)) = path.split_once('.') else {
        return books.read(model, id, path);
    };
    let linked = Model::linked(field).ok_or_else(|| unknown_field(model, path))?;
    match books.read(model, id, field)?.get(0).and_then(Value::as_i64) {
        Some(target) => follow(books, linked, target, rest),
        None => Ok(Value::Bool(false)),
    }
}

/// Equal as Odoo sees it: a link equals its id.
fn same(found: &Value, wanted: &Value) -> bool {
    found == wanted || (wanted.is_i64() && found.get(0) == Some(wanted))
}
