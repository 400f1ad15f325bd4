//! The real program, at its most talkative, with canaries for secrets; and all that is scanned in the end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quittance_sandbox::collector::PretendCollector;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::merchant::SCOPES;
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::postgres::{Cluster, Durability};
use quittance_sandbox::service::{Quittance, Service};
use quittance_sandbox::stripe::{Options as StripeOptions, PretendStripe, WebhookEndpoint};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Row};
use url::Url;

use super::canaries::{Canaries, Kind, Leak, PASSWORD, SEALING_KEY, STRIPE_KEY, Seen, WEBHOOK_SECRET};
use crate::support::{NewForTests, Reply, database_of};

/// A merchant with a key.
#[derive(Clone, Debug)]
pub(super) struct Merchant {
    pub(super) id: String,
    pub(super) account: String,
    pub(super) api_key: String,
}

pub(super) struct World {
    pub(super) cluster: Cluster,
    /// The program with a worker, logging text; and one more, logging JSON.
    pub(super) programs: [Quittance; 2],
    running: Vec<Service>,
    pub(super) merchant: Merchant,
    pub(super) stranger: Merchant,
    pub(super) stripe: PretendStripe,
    pub(super) odoo: PretendOdoo,
    pub(super) odoo_instance: String,
    /// Where both programs send their spans, in a build that can.
    collector: PretendCollector,
    pub(super) db: PgPool,
    pub(super) http: Client,
    pub(super) canaries: Canaries,
    pub(super) found: Vec<Leak>,
}

impl World {
    pub(super) async fn set_up() -> Self {
        let cluster = Cluster::start_private(Durability::Full).await.unwrap();
        let url = database_of(&cluster).await;
        let stripe = PretendStripe::start(StripeOptions {
            secret_key: STRIPE_KEY.to_owned(),
            ..StripeOptions::default()
        })
        .await
        .unwrap();
        let odoo = PretendOdoo::start(OdooOptions::default()).await.unwrap();
        let mut canaries = Canaries::known();
        canaries.add(Kind::OdooKey, &odoo.api_key());
        let collector = PretendCollector::start().await.unwrap();
        let programs = programs(&url, &collector.url());
        let options: PgConnectOptions = url.parse().unwrap();
        let nobody = Merchant {
            id: String::new(),
            account: String::new(),
            api_key: String::new(),
        };
        let mut world = Self {
            cluster,
            programs,
            running: Vec::new(),
            merchant: nobody.clone(),
            stranger: nobody,
            stripe,
            odoo,
            odoo_instance: String::new(),
            collector,
            db: PgPoolOptions::new()
                .max_connections(2)
                .connect_with(options)
                .await
                .unwrap(),
            http: Client::new_for_tests(),
            canaries,
            found: Vec::new(),
        };
        world.merchant = world.add_merchant().await;
        world.stranger = world.add_merchant().await;
        world.add_odoo().await;
        let hook = format!(
            "{}/webhooks/stripe/{}",
            world.programs[0].url(),
            world.merchant.account
        );
        world
            .stripe
            .add_endpoint(WebhookEndpoint::new(hook, WEBHOOK_SECRET));
        world
    }

    /// A merchant, as an operator adds one.
    async fn add_merchant(&mut self) -> Merchant {
        let id = self
            .made(&["merchant", "add", "--name", "Leaks"], &[], "id")
            .await;
        let base = self.stripe.url();
        let add = ["provider-account", "add", "--merchant", &id, "--api-base", &base];
        let secrets = [
            ("STRIPE_SECRET_KEY", STRIPE_KEY),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ];
        let account = self.made(&add, &secrets, "id").await;
        let create = ["api-key", "create", "--merchant", &id, "--name", "odoo"];
        let scopes: Vec<&str> = SCOPES.iter().flat_map(|scope| ["--scope", scope]).collect();
        let output = self
            .command(&[&create[..], &scopes].concat(), &[], Seen::MadeSecret)
            .await;
        let api_key = output["key"].as_str().unwrap().to_owned();
        self.canaries.add(Kind::ApiKey, &api_key);
        Merchant { id, account, api_key }
    }

    async fn add_odoo(&mut self) {
        let (id, url, database) = (self.merchant.id.clone(), self.odoo.url(), self.odoo.database());
        let add = [
            "odoo-instance",
            "add",
            "--merchant",
            &id,
            "--url",
            &url,
            "--database",
            &database,
        ];
        let books = ["--journal", "STRP", "--fee-account", "621000"];
        let key = self.odoo.api_key();
        let secrets = [("ODOO_API_KEY", key.as_str())];
        self.odoo_instance = self.made(&[&add[..], &books].concat(), &secrets, "id").await;
        let addon = format!("{url}/payment/quittance/news");
        let stranger = self.stranger.id.clone();
        let add = [
            "odoo-instance",
            "add-addon",
            "--merchant",
            &stranger,
            "--url",
            &addon,
        ];
        let output = self.command(&add, &[], Seen::MadeSecret).await;
        let secret = output["signing_secret"].as_str().unwrap().to_owned();
        self.canaries
            .add(Kind::SigningSecret, secret.trim_start_matches("whsec_"));
    }

    /// Runs a command that must succeed, and takes a field of its answer.
    async fn made(&mut self, arguments: &[&str], secrets: &[(&str, &str)], field: &str) -> String {
        let answer = self.command(arguments, secrets, Seen::Owners).await;
        let text = answer[field].as_str().map(str::to_owned);
        text.unwrap_or_else(|| panic!("quittance {arguments:?}: {answer}"))
    }

    /// Runs a command, and looks at all that it writes.
    pub(super) async fn command(
        &mut self,
        arguments: &[&str],
        secrets: &[(&str, &str)],
        seen: Seen,
    ) -> Value {
        let output = self.programs[0].output(arguments, secrets).await.unwrap();
        let at = format!("the command {}", arguments[..2.min(arguments.len())].join(" "));
        let (told, logged) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        self.found.extend(self.canaries.find(&at, &told, seen));
        for line in logged.lines() {
            let complains = line.starts_with("quittance: ");
            let seen = if complains { Seen::Refusal } else { Seen::Nothing };
            self.found
                .extend(self.canaries.find(&format!("what {at} logs"), line, seen));
        }
        serde_json::from_str(&told).unwrap_or_default()
    }

    pub(super) async fn start(&mut self) {
        let [first, second] = &self.programs;
        let (first, second) = tokio::join!(first.serve(&["--with-worker"]), second.serve(&[]));
        self.running = vec![first.unwrap(), second.unwrap()];
    }

    pub(super) async fn stop(&mut self) {
        for running in self.running.drain(..) {
            running.stop().await.unwrap();
        }
    }

    /// A request to one of the programs, by whoever has `key`.
    pub(super) fn request(&self, program: usize, method: Method, path: &str, key: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.programs[program % 2].url());
        self.http.request(method, url).bearer_auth(key)
    }

    /// Sends a request and looks at the whole answer, headers too.
    pub(super) async fn ask(&mut self, at: &str, request: RequestBuilder, is_owner: bool) -> Reply {
        let reply = Reply::of(request).await;
        let text = format!("{:?}\n{}", reply.headers, String::from_utf8_lossy(&reply.bytes));
        let seen = seen_in(at, &reply, is_owner);
        self.found.extend(
            self.canaries
                .find(&format!("{} to {at}", reply.status), &text, seen),
        );
        reply
    }

    /// Lets something go wrong at Stripe for the next request that fits.
    pub(super) fn stripe_says(&self, pattern: &str, status: u16, body: &'static str) {
        self.stripe
            .faults()
            .next(Matcher::path(pattern), Fault::Says { status, body });
    }

    /// Looks at the logs and at every row.
    /// What operators' machines are shown, at the address that each log names last.
    pub(super) async fn scan_metrics(&mut self) {
        for program in &self.programs {
            let log = std::fs::read_to_string(program.log()).unwrap();
            let named = log.lines().rev().find(|line| line.contains("metrics and probes"));
            let port = named.and_then(|line| line.split("127.0.0.1:").nth(1)).unwrap();
            let port: String = port.chars().take_while(char::is_ascii_digit).collect();
            let request = self.http.get(format!("http://127.0.0.1:{port}/metrics"));
            let shown = String::from_utf8(Reply::of(request).await.bytes).unwrap();
            assert!(shown.contains("quittance_http_requests_total"), "{shown}");
            self.found
                .extend(self.canaries.find("metrics", &shown, Seen::Nothing));
        }
    }

    pub(super) async fn scan(&mut self) {
        for (kind, secret) in self.made_secrets() {
            self.canaries.add(kind, &secret);
        }
        for (program, form) in self.programs.iter().zip(["text", "json"]) {
            let log = std::fs::read_to_string(program.log()).unwrap();
            assert!(
                log.contains("TRACE") && log.contains("http.request"),
                "the log in {form} is talkative"
            );
            // As a whole first: that is quick, and most often all.
            let held = self.canaries.find("", &log, Seen::Nothing);
            for line in log.lines().filter(|_| !held.is_empty()) {
                self.found.extend(
                    self.canaries
                        .find(&format!("the log in {form}"), line, Seen::Nothing),
                );
            }
        }
        self.scan_spans();
        self.scan_rows().await;
    }

    /// What the collector was sent, byte for byte: protobuf has texts as they are.
    fn scan_spans(&mut self) {
        let sent = self.collector.bytes();
        for batch in &sent {
            let text = String::from_utf8_lossy(batch);
            self.found
                .extend(self.canaries.find("a span", &text, Seen::Nothing));
        }
        if cfg!(feature = "otlp") {
            let names: BTreeSet<String> = self.collector.spans().into_iter().map(|span| span.name).collect();
            for name in [
                "http.request",
                "stripe.request.send",
                "odoo.request.send",
                "app.outbox.send",
            ] {
                assert!(names.contains(name), "{name} is exported: {names:?}");
            }
        }
    }

    /// What came about while it ran: client secrets, and the signatures under which events were delivered.
    fn made_secrets(&self) -> Vec<(Kind, String)> {
        let made = [self.stripe.payment_intents(), self.stripe.setup_intents()].concat();
        let made = made.iter().filter_map(|object| object["client_secret"].as_str());
        made.map(|secret| (Kind::ClientSecret, secret.to_owned()))
            .collect()
    }

    async fn scan_rows(&mut self) {
        let columns = sqlx::query(
            "select table_name::text, column_name::text from information_schema.columns
             where table_schema = 'public' and data_type in ('text', 'jsonb', 'json', 'ARRAY')",
        );
        let columns = columns.fetch_all(&self.db).await.unwrap();
        assert!(columns.len() > 100, "all tables are there");
        for column in columns {
            let (table, column): (String, String) = (column.get(0), column.get(1));
            let sql = format!("select string_agg(\"{column}\"::text, e'\\n') from \"{table}\"");
            let text: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_one(&self.db)
                .await
                .unwrap();
            let (at, text) = (format!("{table}.{column}"), text.unwrap_or_default());
            for line in text.lines() {
                self.found.extend(self.canaries.find_secrets(&at, line));
                if is_told(&column) {
                    self.found.extend(self.canaries.find(&at, line, Seen::ToldColumn));
                }
            }
        }
    }
}

/// Columns in which what went wrong is told in words.
fn is_told(column: &str) -> bool {
    [
        "detail",
        "last_error",
        "error_message",
        "error_code",
        "paused_reason",
        "subject",
    ]
    .contains(&column)
}

fn seen_in(at: &str, reply: &Reply, is_owner: bool) -> Seen {
    if !is_owner {
        return Seen::Nothing;
    }
    if at.ends_with("/payload") && reply.status == StatusCode::OK {
        return Seen::Payload;
    }
    if reply.status.is_success() {
        return Seen::Owners;
    }
    let code = serde_json::from_slice::<Value>(&reply.bytes).unwrap_or_default()["code"].clone();
    if code == "provider_refused" {
        Seen::Refusal
    } else {
        Seen::Nothing
    }
}

fn programs(url: &str, collector: &str) -> [Quittance; 2] {
    let mut url: Url = url.parse().unwrap();
    url.set_password(Some(PASSWORD)).unwrap();
    let log =
        |form: &str| -> PathBuf { Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("leaks-{form}.log")) };
    let first = Quittance::new(
        Path::new(env!("CARGO_BIN_EXE_quittance")),
        url.as_str(),
        &log("text"),
    )
    .unwrap()
    .with("QUITTANCE_SEALING_KEY", SEALING_KEY)
    .with("QUITTANCE_PROVIDER_TIMEOUT_MS", "600")
    .with("QUITTANCE_ODOO_TIMEOUT_MS", "1000")
    .with("QUITTANCE_RETRY_DIVISOR", "100000")
    .with("QUITTANCE_LOG", "trace")
    .with("QUITTANCE_METRICS_LISTEN", "127.0.0.1:0");
    let first = if cfg!(feature = "otlp") {
        first.with("QUITTANCE_OTLP_ENDPOINT", collector)
    } else {
        first
    };
    let second = first
        .replica(&log("json"))
        .unwrap()
        .with("QUITTANCE_LOG_FORMAT", "json");
    [first, second]
}
