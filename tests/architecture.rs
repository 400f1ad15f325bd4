//! The rules of the layout, read from the source itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(under: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The modules in the order in which `lib.rs` declares them.
fn order() -> Vec<String> {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// Which module of the crate a file belongs to.
fn module_of(path: &Path) -> String {
    let first = path.strip_prefix(src()).unwrap().components().next().unwrap();
    Path::new(first.as_os_str())
        .file_stem()
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

/// The part of a file that is built into the service: without its tests and comments.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]").next().unwrap();
    body.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules of the crate that a text names, also within `use crate::{…}`.
fn named(text: &str, modules: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for piece in text.split("crate::").skip(1) {
        let group = piece
            .strip_prefix('{')
            .map(|rest| rest.split('}').next().unwrap());
        let names = group.map_or_else(|| vec![piece], |group| group.split(',').collect());
        for name in names {
            let name: String = name
                .trim()
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            if modules.contains(&name) {
                found.insert(name);
            }
        }
    }
    found
}

#[test]
fn a_module_uses_only_those_above_it() {
    let order = order();
    assert!(order.len() > 8, "lib.rs declares the modules: {order:?}");
    let place = |name: &String| order.iter().position(|module| module == name).unwrap();
    for (path, text) in sources(&src()) {
        let module = module_of(&path);
        if module == "main" || module == "lib" {
            continue;
        }
        for used in named(&code(&text), &order) {
            assert!(
                place(&used) <= place(&module),
                "{} is in {module} and uses {used}, which stands below it in lib.rs",
                path.display()
            );
        }
    }
}

/// Each: what may stand in which modules only.
#[test]
fn what_belongs_in_one_place_stands_nowhere_else() {
    let rules: &[(&str, &[&str])] = &[
        ("sqlx::query", &["store"]),
        (".begin(", &["app"]),
        ("begin_with(", &["store"]),
        ("PgPool", &["startup", "store"]),
        (".commit()", &["app"]),
        ("stripe_core", &["stripe"]),
        ("stripe_client_core", &["stripe"]),
        ("std::env::", &["config"]),
        ("now_utc", &["app"]),
        (
            "reqwest::Client::builder",
            &["odoo", "stripe", "telemetry", "vault"],
        ),
        ("VerifiedWebhook::new", &["stripe"]),
        ("Proof::of_a_read", &["stripe"]),
        ("aes_gcm", &["crypto"]),
        ("f64", &["telemetry"]),
        ("f32", &[]),
    ];
    for (path, text) in sources(&src()) {
        let (module, text) = (module_of(&path), code(&text));
        for (what, places) in rules {
            assert!(
                places.contains(&module.as_str()) || !text.contains(what),
                "{} holds {what}, which belongs in {places:?}",
                path.display()
            );
        }
    }
}

#[test]
fn a_span_is_named_by_layer_noun_and_verb_and_shows_only_what_it_names() {
    let mut spans = 0;
    for (path, text) in sources(&src()) {
        let text = text.replace('\n', " ");
        let (module, at) = (module_of(&path), path.display());
        for made in text.split("instrument(name = \"").skip(1) {
            let (name, rest) = made.split_once('"').unwrap();
            assert!(is_span(name, &module), "{at}: {name}");
            let how = rest.split("async fn").next().unwrap();
            assert!(how.contains("skip_all"), "{at}: {name} shows its arguments");
            spans += 1;
        }
        for made in text.split("_span!(").skip(1) {
            let name = made
                .trim_start()
                .trim_start_matches('"')
                .split('"')
                .next()
                .unwrap();
            assert!(is_span(name, &module), "{at}: {name}");
            spans += 1;
        }
        assert!(!text.contains("#[instrument"), "{at}: a span without a name");
    }
    assert!(spans > 20, "{spans}");
}

/// Whether a span's name has the form of `docs/LOGGING.md`: its layer's module first.
fn is_span(name: &str, module: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    let is_word =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    name == "http.request" || (parts.len() == 3 && parts[0] == module && parts.iter().all(is_word))
}

#[test]
fn no_log_line_shows_a_body_a_header_or_a_secret() {
    const NEVER: [&str; 6] = ["body", "payload", "header", "secret", "api_key", "signature"];
    let mut lines = 0;
    for (path, text) in sources(&src()) {
        let code = code(&text);
        for level in ["error!(", "warn!(", "info!(", "debug!(", "trace!("] {
            for made in code.split(&format!("tracing::{level}")).skip(1) {
                // What is said word for word may name anything.
                let shown: String = made.split(");").next().unwrap().split('"').step_by(2).collect();
                let found = NEVER.iter().find(|never| shown.contains(*never));
                assert_eq!(found, None, "{}: {shown}", path.display());
                lines += 1;
            }
        }
    }
    assert!(lines > 50, "{lines}");
}

#[test]
fn handlers_know_nothing_of_the_store_beneath_the_use_cases() {
    for (path, text) in sources(&src().join("http")) {
        let text = code(&text);
        let reads = [
            "store::payments",
            "store::operations",
            "store::refunds",
            "PgConnection",
            "PgPool",
        ];
        assert!(
            !reads.iter().any(|call| text.contains(call)),
            "{} reaches into the store",
            path.display()
        );
    }
}

#[test]
fn no_transaction_is_held_across_a_call_to_the_outside() {
    for (path, text) in sources(&src().join("app")) {
        let text = code(&text);
        let mut open = false;
        for (number, line) in text.lines().enumerate() {
            if line.contains("app.begin(") {
                open = true;
            }
            if line.contains("commit(tx)") || line.starts_with('}') {
                open = false;
            }
            let outside = [".execute(", ".fetch(&account", ".find(&account", "sink.send("];
            assert!(
                !(open && outside.iter().any(|call| line.contains(call))),
                "{}:{} calls out while a transaction is open",
                path.display(),
                number + 1
            );
        }
    }
}

/// Whether a field is one that holds a secret as anybody could print it.
fn is_bare_secret(field: &str) -> bool {
    let Some((name, kind)) = field.trim().trim_end_matches(',').split_once(": ") else {
        return false;
    };
    let name = name.rsplit(' ').next().unwrap();
    let is_secret = ["secret", "password", "token"]
        .iter()
        .any(|word| name.split('_').any(|part| part == *word))
        || ["api_key", "sealing_key", "signing_key"].contains(&name);
    let is_bare = ["String", "&str", "&'a str", "Vec<u8>", "&[u8]", "[u8; 32]"]
        .iter()
        .any(|bare| kind == *bare || kind == format!("Option<{bare}>"));
    is_secret && is_bare
}

#[test]
fn what_shows_itself_holds_no_secret_that_does() {
    assert!(is_bare_secret("    pub client_secret: Option<String>,"));
    assert!(!is_bare_secret("    pub client_secret: Option<SecretString>,"));
    for (path, text) in sources(&src()) {
        let text = code(&text);
        let mut shows = false;
        let mut within = false;
        for line in text.lines() {
            if line.starts_with("#[derive(") {
                shows = line.contains("Debug");
            } else if line.contains("struct ") && line.ends_with('{') {
                within = shows;
            } else if line.starts_with('}') {
                (shows, within) = (false, false);
            }
            assert!(
                !(within && is_bare_secret(line)),
                "{}: {} is printed by Debug: make it a SecretString, or write Debug by hand",
                path.display(),
                line.trim()
            );
        }
    }
}

#[test]
fn no_package_may_use_unsafe_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    let members = workspace
        .lines()
        .find_map(|line| line.strip_prefix("members = ["))
        .unwrap();
    let members = members
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|member| root.join(member));
    for package in members.chain([root.to_owned()]) {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{}",
            package.display()
        );
    }
}

/// The names of tests in a document: words of code with four underscores at least.
fn named_tests(document: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    let words = text.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        word.matches('_').count() >= 4
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    words.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn a_test_that_a_document_names_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let all: Vec<String> = sources(&tests).into_iter().map(|(_, text)| text).collect();
    for document in ["SECURITY.md", "docs/owasp-api-top-10.md"] {
        let named = named_tests(document);
        assert!(named.len() > 10, "{document} names its tests: {named:?}");
        let declared = |name: &String| all.iter().any(|text| text.contains(&format!("fn {name}(")));
        let missing: Vec<&String> = named.iter().filter(|name| !declared(name)).collect();
        assert!(missing.is_empty(), "{document} names {missing:?}");
    }
}
