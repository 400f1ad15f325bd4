//! HTTP, byte for byte: what a well-behaved client does not send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::TestApp;

/// Longer than anything that ends by itself takes.
const LONG: Duration = Duration::from_secs(30);

/// Opens a connection to a service by its URL.
pub(super) async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap()
}

/// Sends bytes and reads until the service closes: the answers as they came, none where it only closed.
pub(super) async fn send(url: &str, bytes: &[u8]) -> String {
    let mut stream = connect(url).await;
    // A service that has heard enough closes while more is sent.
    let _cut = stream.write_all(bytes).await;
    read(&mut stream).await
}

/// What comes until the service closes.
pub(super) async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await;
    let shown = String::from_utf8_lossy(&answer[..answer.len().min(500)]).into_owned();
    assert!(read.is_ok(), "the service closes what it does not serve: {shown}");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of the first answer; 0 where there is none.
pub(super) fn status(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1);
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The head of a request that ends the connection, with the test's key.
pub(super) fn head(test: &TestApp, first_line: &str, headers: &str) -> String {
    let key = &test.key;
    format!("{first_line}\r\nHost: q\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n{headers}\r\n")
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn heads_that_are_too_large_or_none_at_all_are_refused_while_they_are_read() {
    let test = TestApp::spawn().await;
    let large = |name: &str, length: usize| format!("{name}: {}\r\n", "x".repeat(length));
    let cases = [
        (
            "a megabyte",
            head(&test, "GET /v1/payments HTTP/1.1", &large("X-Large", 1 << 20)),
            431,
            "",
        ),
        (
            "64 KiB",
            head(&test, "GET /v1/payments HTTP/1.1", &large("X-Large", 1 << 16)),
            431,
            "headers_too_large",
        ),
        (
            "33 KiB in parts",
            head(
                &test,
                "GET /v1/payments HTTP/1.1",
                &large("X-Large", 1 << 10).repeat(33),
            ),
            431,
            "headers_too_large",
        ),
        (
            "many",
            head(&test, "GET /v1/payments HTTP/1.1", &"X-Many: 1\r\n".repeat(200)),
            431,
            "",
        ),
        (
            "a long URL",
            head(
                &test,
                &format!("GET /v1/payments?reference={} HTTP/1.1", "x".repeat(9_000)),
                "",
            ),
            414,
            "uri_too_long",
        ),
        (
            "a URL of a megabyte",
            head(&test, &format!("GET /{} HTTP/1.1", "x".repeat(1 << 20)), ""),
            431,
            "",
        ),
        (
            "a long URL of a webhook",
            head(
                &test,
                &format!("POST /webhooks/stripe/{} HTTP/1.1", "x".repeat(9_000)),
                "",
            ),
            414,
            "uri_too_long",
        ),
        ("no HTTP", "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), 400, ""),
        (
            "NUL in a header",
            head(&test, "GET /v1/payments HTTP/1.1", "X-Odd: a\0b\r\n"),
            400,
            "",
        ),
        (
            "NUL in a path",
            head(&test, "GET /v1/payments/\0 HTTP/1.1", ""),
            400,
            "",
        ),
        (
            "another protocol",
            head(&test, "GET /v1/payments HTTP/9.9", ""),
            400,
            "",
        ),
        (
            "an unknown method",
            head(&test, "BREW /v1/payments HTTP/1.1", ""),
            405,
            "method_not_allowed",
        ),
        (
            "CONNECT",
            head(&test, "CONNECT q:1 HTTP/1.1", ""),
            404,
            "not_found",
        ),
        (
            "no length",
            head(&test, "POST /v1/payments HTTP/1.1", "Content-Length: many\r\n"),
            400,
            "",
        ),
        (
            "two lengths",
            head(
                &test,
                "POST /v1/payments HTTP/1.1",
                "Content-Length: 1\r\nContent-Length: 2\r\n",
            ),
            400,
            "",
        ),
        (
            "length and chunks",
            head(
                &test,
                "POST /v1/payments HTTP/1.1",
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            ),
            400,
            "",
        ),
        (
            "odd encoding",
            head(
                &test,
                "POST /v1/payments HTTP/1.1",
                "Transfer-Encoding: gzip, chunked\r\n",
            ),
            400,
            "",
        ),
    ];
    for (what, request, wanted, code) in cases {
        let answer = send(&test.url, request.as_bytes()).await;
        // One who sends more than is read may find the connection reset before the answer.
        let is_cut = code.is_empty() && answer.is_empty() && request.len() > 1 << 17;
        assert!(status(&answer) == wanted || is_cut, "{what}: {answer:?}");
        assert!(answer.contains(code), "{what}: {answer:?}");
    }
    let odd = [head(&test, "GET /v1/payments HTTP/1.1", "").as_bytes(), b""].concat();
    let odd = [&odd[..odd.len() - 2], b"Idempotency-Key: \xff\xfe\r\n\r\n"].concat();
    assert_eq!(
        status(&send(&test.url, &odd).await),
        200,
        "a header that is not read may be anything"
    );
}

#[tokio::test]
async fn chunks_are_counted_whatever_they_say_of_themselves() {
    let test = TestApp::spawn().await;
    let post = |headers: &str| {
        head(
            &test,
            "POST /v1/payments HTTP/1.1",
            &format!("Idempotency-Key: k\r\n{headers}"),
        )
    };
    let chunked = post("Transfer-Encoding: chunked\r\n");
    let many = "10000\r\n".to_owned() + &"x".repeat(0x1_0000) + "\r\n";
    let cases = [
        (
            "too much in chunks",
            chunked.clone() + &many.repeat(5),
            413,
            "body_too_large",
        ),
        (
            "a length that is none",
            chunked.clone() + "zz\r\nabc\r\n0\r\n\r\n",
            400,
            "body_unreadable",
        ),
        (
            "a length past 64 bits",
            chunked.clone() + "fffffffffffffffff\r\nabc\r\n",
            400,
            "body_unreadable",
        ),
        (
            "a small body in chunks",
            chunked + "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            422,
            "missing_field",
        ),
        (
            "a claim of too much",
            post("Content-Length: 99999999999\r\n"),
            413,
            "body_too_large",
        ),
        (
            "too much of a webhook",
            head(
                &test,
                &format!("POST /webhooks/stripe/{} HTTP/1.1", test.account),
                "Transfer-Encoding: chunked\r\n",
            ) + &many.repeat(5),
            413,
            "body_too_large",
        ),
    ];
    for (what, request, wanted, code) in cases {
        let answer = send(&test.url, request.as_bytes()).await;
        assert_eq!(status(&answer), wanted, "{what}: {answer:?}");
        assert!(answer.contains(code), "{what}: {answer:?}");
    }
    assert_eq!(test.count("idempotency_record").await, 0);
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_one_by_one_in_their_order() {
    let test = TestApp::spawn().await;
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: q\r\n\r\n");
    let mut all = String::new();
    for _ in 0..200 {
        all += &one("/healthz");
        all += &one("/nothing");
    }
    all += "GET /healthz HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n";
    let answers = send(&test.url, all.as_bytes()).await;
    let statuses: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    let wanted: Vec<&str> = std::iter::repeat_n(["200", "404"], 200)
        .flatten()
        .chain(["200"])
        .collect();
    assert_eq!(statuses, wanted);
}

#[tokio::test]
async fn who_sends_too_slowly_is_let_go_and_holds_up_nobody() {
    let test = TestApp::spawn().await;
    let post = head(
        &test,
        "POST /v1/payments HTTP/1.1",
        "Idempotency-Key: k\r\nContent-Length: 100\r\n",
    );
    let webhook = format!("POST /webhooks/stripe/{} HTTP/1.1", test.account);
    let webhook = head(&test, &webhook, "Content-Length: 100\r\n");
    let cases = [
        ("nothing at all", String::new(), 408, ""),
        ("half a head", "GET /healthz HTTP/1.1\r\nHo".to_owned(), 408, ""),
        ("half a body", post + "{", 408, "body_too_slow"),
        (
            "half a body in chunks",
            head(
                &test,
                "POST /v1/payments HTTP/1.1",
                "Idempotency-Key: k\r\nTransfer-Encoding: chunked\r\n",
            ) + "1\r\n{\r\n",
            408,
            "body_too_slow",
        ),
        ("half a webhook", webhook + "{", 408, "body_too_slow"),
        (
            "a body of nobody's",
            "POST /v1/payments HTTP/1.1\r\nHost: q\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{"
                .to_owned(),
            401,
            "unauthenticated",
        ),
    ];
    let all = cases.map(|(what, request, wanted, code)| {
        let url = test.url.clone();
        async move {
            let answer = send(&url, request.as_bytes()).await;
            assert_eq!(status(&answer), wanted, "{what}: {answer:?}");
            assert!(answer.contains(code), "{what}: {answer:?}");
        }
    });
    futures::future::join_all(all).await;
}
