//! The real program under floods of what nobody should send: its memory stays what it was, nearly.

use std::path::Path;

use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::service::{Quittance, Service};
use quittance_sandbox::stripe::{Options, PretendStripe};
use reqwest::{Client, StatusCode};
use tokio::io::AsyncWriteExt;

use super::raw::{connect, send, status};
use crate::support::{Reply, WEBHOOK_SECRET, database};

/// How much more memory the program may have after a flood than before it, in KiB. A build for tests holds more than one for use; what
/// the floods send is many times this.
const GROWTH_KIB: u64 = 96 * 1024;

struct Running {
    url: String,
    merchant: Merchant,
    service: Service,
    before_kib: u64,
    _stripe: PretendStripe,
}

impl Running {
    async fn start(name: &str) -> Self {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
        let program = Path::new(env!("CARGO_BIN_EXE_quittance"));
        let quittance = Quittance::new(program, &database().await, &log).unwrap();
        quittance.run(&["migrate"], &[]).await.unwrap();
        let stripe = PretendStripe::start(Options::default()).await.unwrap();
        let access = StripeAccess::of(&stripe, WEBHOOK_SECRET);
        let merchant = Merchant::add(&quittance, &access, None).await.unwrap();
        let service = quittance.serve(&[]).await.unwrap();
        let running = Self {
            url: quittance.url(),
            merchant,
            before_kib: service.resident_kib().unwrap(),
            service,
            _stripe: stripe,
        };
        running.is_well().await;
        running
    }

    /// Serves as before, in hardly more memory.
    async fn is_well(&self) {
        let http = Client::builder().build().unwrap();
        let look = http
            .get(format!("{}/v1/payments", self.url))
            .bearer_auth(&self.merchant.api_key);
        assert_eq!(Reply::of(look).await.status, StatusCode::OK);
        let now = self.service.resident_kib().unwrap();
        assert!(
            now < self.before_kib + GROWTH_KIB,
            "it had {} KiB and has {now} KiB",
            self.before_kib
        );
    }
}

#[tokio::test]
async fn bodies_headers_and_keys_without_end_leave_no_trace_in_memory() {
    let running = Running::start("flood-bodies").await;
    let url = running.url.as_str();
    let key = &running.merchant.api_key;
    let post = |headers: &str| {
        format!(
            "POST /v1/payments HTTP/1.1\r\nHost: q\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: k\r\nConnection: close\r\n{headers}\r\n"
        )
    };
    let sized = |body: &str| post(&format!("Content-Length: {}\r\n", body.len())) + body;
    let large = "x".repeat(250 * 1024);
    let webhook = format!(
        "POST {} HTTP/1.1\r\nHost: q\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{large}",
        running.merchant.webhook_path(),
        large.len()
    );
    let floods = [
        (sized(&format!("[{}[]]", "[],".repeat(80_000))), 400),
        (sized(&"[".repeat(250 * 1024)), 400),
        (sized(&format!("{{\"description\":\"{large}\"}}")), 422),
        (webhook, 400),
        (
            post("Transfer-Encoding: chunked\r\n") + &format!("{:x}\r\n{large}\r\n", large.len()).repeat(3),
            413,
        ),
        (
            format!(
                "GET /healthz HTTP/1.1\r\nHost: q\r\nX-Large: {}\r\nConnection: close\r\n\r\n",
                "x".repeat(60_000)
            ),
            431,
        ),
    ];
    for (flood, wanted) in &floods {
        for _ in 0..4 {
            let many = (0..32).map(|_| send(url, flood.as_bytes()));
            for answer in futures::future::join_all(many).await {
                assert_eq!(status(&answer), *wanted, "{answer:?}");
            }
        }
        running.is_well().await;
    }
    let http = Client::builder().build().unwrap();
    for made_up in 0..1_000 {
        let paths = ["/v1/payments".to_owned(), format!("/nothing/{made_up}")];
        let look = http
            .get(format!("{url}{}", paths[made_up % 2]))
            .bearer_auth(format!("qk_test_{made_up:050}"));
        assert!(Reply::of(look).await.status.is_client_error());
    }
    running.is_well().await;
    running.service.stop().await.unwrap();
}

#[tokio::test]
async fn thousands_of_connections_that_are_held_open_are_borne_and_let_go() {
    let running = Running::start("flood-connections").await;
    let beginnings: [&[u8]; 3] = [
        b"",
        b"GET /healthz HTTP/1.1\r\nX-Slow: ",
        b"POST /v1/payments HTTP/1.1\r\nHost: q\r\nContent-Length: 1000\r\n\r\n{",
    ];
    let mut held = Vec::new();
    for nth in 0..3_000 {
        let mut stream = connect(&running.url).await;
        let _cut = stream.write_all(beginnings[nth % 3]).await;
        held.push(stream);
        if nth % 500 == 0 {
            running.is_well().await;
        }
    }
    running.is_well().await;
    // Each is let go by the service itself: none waits for its client.
    for mut stream in held {
        super::raw::read(&mut stream).await;
    }
    running.is_well().await;
    running.service.stop().await.unwrap();
}
