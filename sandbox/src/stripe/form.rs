//! Stripe's nested form encoding: `a[b][c]=x`, `list[]=x`, `list[0]=x`.

use std::collections::BTreeMap;

/// Bounds that keep a hostile body from growing a tree without end.
const MAX_DEPTH: usize = 8;
const MAX_PAIRS: usize = 1_000;

/// One value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Param {
    /// `a=x`
    Text(String),
    /// `a[b]=x`; a list is a map whose keys are numbers.
    Map(Params),
}

/// Parameters by name.
pub(crate) type Params = BTreeMap<String, Param>;

/// Reads a query string or a form body. Fails on names that contradict each other or nest too deeply.
pub(crate) fn parse(encoded: &[u8]) -> Result<Params, String> {
    let mut params = Params::new();
    for (count, (name, value)) in form_urlencoded::parse(encoded).enumerate() {
        if count == MAX_PAIRS {
            return Err(format!("Received more than {MAX_PAIRS} parameters"));
        }
        let path = segments(&name).ok_or_else(|| format!("Invalid parameter name: {name}"))?;
        insert(&mut params, &path, value.into_owned())
            .ok_or_else(|| format!("Invalid mix of parameters at: {name}"))?;
    }
    Ok(params)
}

/// Takes `a[b][]` apart into `a`, `b` and the empty segment that appends.
fn segments(name: &str) -> Option<Vec<&str>> {
    let (first, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut path = vec![first];
    while !rest.is_empty() {
        let (segment, after) = rest.strip_prefix('[')?.split_once(']')?;
        path.push(segment);
        rest = after;
    }
    (!first.is_empty() && path.len() <= MAX_DEPTH).then_some(path)
}

fn insert(params: &mut Params, path: &[&str], value: String) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let name = if first.is_empty() {
        params.len().to_string()
    } else {
        (*first).to_owned()
    };
    if rest.is_empty() {
        params.insert(name, Param::Text(value));
        return Some(());
    }
    match params.entry(name).or_insert_with(|| Param::Map(Params::new())) {
        Param::Map(inner) => insert(inner, rest, value),
        Param::Text(_) => None,
    }
}

/// The texts of a list, in the order of their numbers.
pub(crate) fn texts(list: &Params) -> Option<Vec<String>> {
    let mut numbered = list
        .iter()
        .map(|(index, value)| match value {
            Param::Text(text) => Some((index.parse::<usize>().ok()?, text.clone())),
            Param::Map(_) => None,
        })
        .collect::<Option<Vec<_>>>()?;
    numbered.sort_by_key(|(index, _)| *index);
    Some(numbered.into_iter().map(|(_, text)| text).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn text(value: &str) -> Param {
        Param::Text(value.to_owned())
    }

    #[test]
    fn brackets_nest_and_lists_keep_their_order() {
        let params =
            parse(b"amount=10&metadata[a%20b]=c&expand[]=x&expand[]=y&types[1]=n&types[0]=m").unwrap();
        assert_eq!(params["amount"], text("10"));
        assert_eq!(
            params["metadata"],
            Param::Map(Params::from([("a b".to_owned(), text("c"))]))
        );
        let lists = ["expand", "types"].map(|name| match &params[name] {
            Param::Map(list) => texts(list).unwrap(),
            Param::Text(text) => vec![text.clone()],
        });
        assert_eq!(lists, [["x", "y"], ["m", "n"]]);
    }

    #[test]
    fn contradictions_and_deep_nesting_are_refused() {
        assert!(parse(b"a=1&a[b]=2").is_err());
        assert!(parse(b"a[b=2").is_err());
        assert!(parse(b"[b]=2").is_err());
        assert!(parse(b"a[b][c][d][e][f][g][h][i]=1").is_err());
    }
}
