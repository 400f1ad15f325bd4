//! JSON that says one thing: no key twice, no number that is not whole, not too deep, not too many values.
//!
//! Nothing that is asked for here is a fraction, and what stands as one (`-0`, `1e3`, a number of more than 64 bits) readers round each
//! in their own way.
//!
//! RFC 8259 leaves to each reader which of two equal keys counts. Where two readers of a request differ, one of them is deceived:
//! such a body is refused.

use std::cell::RefCell;
use std::fmt;

use actix_web::http::StatusCode;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Problem;

/// How deep arrays and objects may lie in each other. What is asked for here is four deep at most.
const DEPTH_LIMIT: usize = 32;

/// How many values a body may have, those within others too. A body of 256 KiB could hold so many that reading it takes megabytes.
const VALUES_LIMIT: usize = 10_000;

/// Reads a body.
///
/// # Errors
/// Names what cannot be read, and where.
pub(super) fn read(text: &[u8]) -> Result<Value, Problem> {
    let bounds = Bounds::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    let node = Node {
        bounds: &bounds,
        depth: 0,
    };
    let read = node
        .deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value));
    read.map_err(|error| {
        let found = bounds.found.take();
        // Of what is JSON, fractions alone are not taken.
        let fraction = || error.is_data().then(|| bounds.fraction());
        found.or_else(fraction).unwrap_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "malformed_json",
                format!("the body is not JSON: {error}"),
            )
        })
    })
}

/// What is counted over the whole body, and what was found wrong with it.
#[derive(Default)]
struct Bounds {
    values: RefCell<usize>,
    path: RefCell<String>,
    found: RefCell<Option<Problem>>,
    /// Where the reading ended early.
    ended_at: RefCell<String>,
}

impl Bounds {
    /// Ends the reading with a problem of ours.
    fn refuse<E: Error>(&self, problem: Problem) -> E {
        self.found.replace(Some(problem));
        E::custom("refused")
    }

    /// The same walk one step further in: what `inner` reads lies at `step`.
    fn within<T, E>(&self, step: &str, inner: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let outer = self.path.borrow().len();
        self.path.borrow_mut().push_str(step);
        let read = inner();
        if read.is_err() && self.ended_at.borrow().is_empty() {
            self.ended_at.replace(self.path.borrow().clone());
        }
        self.path.borrow_mut().truncate(outer);
        read
    }

    /// What to say of a number that is not whole; the reading ended at it.
    fn fraction(&self) -> Problem {
        let path = self.ended_at.take();
        let field = if path.is_empty() { "body".to_owned() } else { path };
        let message =
            "must be no fraction, and a number must be whole, without exponent, and of 64 bits at most";
        Problem::invalid(field, "invalid_field", message)
    }

    fn named(&self, key: &str) -> String {
        let path = self.path.borrow();
        let key: String = key.chars().take(64).collect();
        if path.is_empty() {
            key
        } else {
            format!("{path}.{key}")
        }
    }
}

/// One value of the body.
#[derive(Clone, Copy)]
struct Node<'a> {
    bounds: &'a Bounds,
    depth: usize,
}

impl Node<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_LIMIT {
            let detail = format!("arrays and objects may lie {DEPTH_LIMIT} deep in each other at most");
            let problem = Problem::new(StatusCode::BAD_REQUEST, "json_too_deep", detail);
            return Err(self.bounds.refuse(problem));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        let count = self.bounds.values.replace_with(|count| *count + 1);
        if count >= VALUES_LIMIT {
            let detail = format!("the body may have {VALUES_LIMIT} values at most");
            let problem = Problem::new(StatusCode::BAD_REQUEST, "json_too_large", detail);
            return Err(self.bounds.refuse(problem));
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut read = Vec::new();
        loop {
            let step = format!("[{}]", read.len());
            match self.bounds.within(&step, || items.next_element_seed(inner))? {
                Some(item) => read.push(item),
                None => return Ok(read.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut read = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let name = self.bounds.named(&key);
            if read.contains_key(&key) {
                let problem = Problem::invalid(name, "duplicate_key", "is given twice");
                return Err(self.bounds.refuse(problem));
            }
            let step = if self.depth == 0 {
                key.clone()
            } else {
                format!(".{key}")
            };
            let value = self.bounds.within(&step, || fields.next_value_seed(inner))?;
            read.insert(key, value);
        }
        Ok(read.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use serde_json::json;

    use super::*;

    fn refusal(text: &str) -> (String, String) {
        let problem = read(text.as_bytes()).unwrap_err();
        let shown = serde_json::to_value(&problem).unwrap();
        let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("field"))
    }

    #[test]
    fn what_says_one_thing_is_read_as_any_reader_would() {
        for text in [
            "null",
            "-7",
            "18446744073709551615",
            r#""a\u0000b""#,
            r#"{"b":[1,{"c":{}}],"a":true}"#,
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes()).unwrap(), plain, "{text}");
        }
        assert_eq!(read(b" {} ").unwrap(), json!({}));
    }

    #[test]
    fn a_key_that_is_given_twice_is_named_wherever_it_lies() {
        for (text, field) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"m":{"k":"1","k":"2"}}"#, "m.k"),
            (r#"{"s":[{},{"x":{"y":1,"y":1}}]}"#, "s[1].x.y"),
        ] {
            assert_eq!(
                refusal(text),
                ("duplicate_key".to_owned(), field.to_owned()),
                "{text}"
            );
        }
        assert!(read(br#"[{"a":1},{"a":1}]"#).is_ok());
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_refused_before_it_is_built() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(DEPTH_LIMIT).as_bytes()).is_ok());
        assert_eq!(refusal(&nested(DEPTH_LIMIT + 1)).0, "json_too_deep");
        assert_eq!(refusal(&r#"{"a":"#.repeat(5_000)).0, "json_too_deep");
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(read(many(VALUES_LIMIT).as_bytes()).is_ok());
        assert_eq!(refusal(&many(VALUES_LIMIT + 1)).0, "json_too_large");
        assert_eq!(refusal("{}{}").0, "malformed_json");
    }

    #[test]
    fn a_number_that_is_not_whole_is_named() {
        for number in [
            "1.5",
            "1e2",
            "-0",
            "0.0",
            "18446744073709551616",
            "-9223372036854775809",
        ] {
            let named = |field: &str| ("invalid_field".to_owned(), field.to_owned());
            assert_eq!(refusal(number), named("body"), "{number}");
            assert_eq!(
                refusal(&format!(r#"{{"a":[1,{number}]}}"#)),
                named("a[1]"),
                "{number}"
            );
        }
        assert_eq!(refusal("1e400").0, "malformed_json", "no number at all");
    }
}
