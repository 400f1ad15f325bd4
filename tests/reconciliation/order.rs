//! In whatever order, and however often, lines and what is known of payments arrive: the ledger ends the same.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quittance::app::{App, reconciliation, setup};
use quittance::domain::balance_transaction::{About, BalanceTransaction, Line};
use quittance::domain::ids::{MerchantId, PaymentId, ProviderAccountId, RefundId};
use quittance::domain::money::Money;
use quittance::provider::ProviderAccount;
use quittance::startup::Role;
use quittance::store;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::{TestApp, Wishes};

/// One thing that comes to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    /// A line of the account's list, by its place in [`lines`].
    Listed(usize),
    /// What the provider says of the payment that was captured at once, with its line.
    Captured,
    /// A refund that was made at the provider, with its line.
    Refunded,
    /// One of the captures of the payment in dollars.
    Part(usize),
    /// A payment whose line tells of it in words alone.
    Referred,
    /// The workers do what is due.
    Work,
}

const FACTS: [Fact; 15] = [
    Fact::Listed(0),
    Fact::Listed(1),
    Fact::Listed(2),
    Fact::Listed(3),
    Fact::Listed(4),
    Fact::Listed(5),
    Fact::Listed(6),
    Fact::Captured,
    Fact::Refunded,
    Fact::Part(0),
    Fact::Part(1),
    Fact::Referred,
    Fact::Work,
    Fact::Work,
    Fact::Work,
];

const PARTS: [i64; 2] = [6_000, 4_000];

/// Payments of a merchant of its own.
struct World<'a> {
    app: &'a App,
    merchant: MerchantId,
    account: ProviderAccountId,
    payments: [PaymentId; 3],
    refund: RefundId,
    parts: [Uuid; 2],
}

fn line(id: &str, kind: &str, source: &str, minor: i64) -> Line {
    let amount = (Money::new(minor, "EUR".parse().unwrap()), minor.abs() / 50);
    let source = (!source.is_empty()).then(|| source.to_owned());
    Line {
        fact: BalanceTransaction::plain(
            id.to_owned(),
            kind.to_owned(),
            source,
            amount,
            OffsetDateTime::UNIX_EPOCH,
        ),
        about: About::default(),
    }
}

/// What the account's list has, as it tells of it.
fn lines(payments: &[PaymentId; 3]) -> Vec<Line> {
    let mut lines = vec![
        line("txn_charge", "charge", "ch_1", 12_100),
        line("txn_refund", "refund", "re_1", -2_100),
        line("txn_part_1", "charge", "ch_2", 5_520),
        line("txn_part_2", "charge", "ch_2", 3_720),
        line("txn_foreign", "charge", "ch_9", 5_000),
        line("txn_unmapped", "solar_flare", "", 700),
        line("txn_in_words", "payment", "", 3_300),
    ];
    for (place, reference) in [(0, "1"), (1, "1"), (2, "2"), (3, "2"), (4, "9")] {
        let about = &mut lines[place].about;
        about.payment_reference = Some(format!("pi_{reference}"));
        about.charge_reference = Some(format!("ch_{reference}"));
    }
    lines[0].about.payment = Some(payments[0]);
    lines[0].about.is_named = true;
    for (place, rate) in [(2, "0.92"), (3, "0.93")] {
        // The list tells of the whole charge.
        lines[place].about.presented = Some(Money::new(10_000, "USD".parse().unwrap()));
        lines[place].fact.exchange_rate = Some(rate.to_owned());
    }
    lines[6].fact.description = Some("Order S3".to_owned());
    lines
}

async fn run(conn: &mut PgConnection, sql: &'static str, values: (MerchantId, Uuid, i64, &str)) {
    sqlx::query(sql)
        .bind(values.0)
        .bind(values.1)
        .bind(values.2)
        .bind(values.3)
        .execute(conn)
        .await
        .unwrap();
}

impl World<'_> {
    async fn new(test: &TestApp) -> World<'_> {
        let app = test.application().app();
        let merchant = setup::add_merchant(app, "Order").await.unwrap();
        let account = ProviderAccount {
            merchant_id: merchant,
            id: ProviderAccountId::generate(),
            provider: "stripe".to_owned(),
            live: false,
            external_account: None,
            api_base: test.stripe.url().parse().unwrap(),
            secret_key: test.stripe.secret_key().to_owned().into(),
            publishable_key: None,
        };
        setup::add_provider_account(app, &account, None).await.unwrap();
        let world = World {
            app,
            merchant,
            account: account.id,
            payments: [(); 3].map(|()| PaymentId::generate()),
            refund: RefundId::generate(),
            parts: [(); 2].map(|()| Uuid::now_v7()),
        };
        let mut tx = app.db.begin(merchant).await.unwrap();
        for (place, (minor, currency, method)) in [
            (12_100, "EUR", "automatic"),
            (10_000, "USD", "manual"),
            (3_300, "EUR", "automatic"),
        ]
        .into_iter()
        .enumerate()
        {
            sqlx::query(
                "insert into payment (merchant_id, id, provider_account_id, reference, amount_minor, currency, capture_method,
                     state, created_at, updated_at)
                 values ($1, $2, $3, $4, $5, $6, $7, 'created', now(), now())",
            )
            .bind(merchant)
            .bind(world.payments[place])
            .bind(account.id)
            .bind(format!("S{}", place + 1))
            .bind(minor)
            .bind(currency)
            .bind(method)
            .execute(&mut *tx)
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
        world
    }

    async fn learn(&self, fact: Fact) {
        let lines = lines(&self.payments);
        let mut tx = self.app.db.begin(self.merchant).await.unwrap();
        match fact {
            Fact::Listed(place) => self.keep(&mut tx, None, &lines[place]).await,
            Fact::Captured => {
                self.capture(&mut tx, 0, 12_100, "1").await;
                let with_payment = line("txn_charge", "charge", "ch_1", 12_100);
                self.keep(&mut tx, Some(0), &with_payment).await;
            }
            Fact::Refunded => {
                sqlx::query(
                    "insert into refund (merchant_id, id, payment_id, provider_account_id, amount_minor, state,
                         provider_reference, created_at, updated_at)
                     values ($1, $2, $3, $4, 2100, 'succeeded', 're_1', now(), now()) on conflict do nothing",
                )
                .bind(self.merchant)
                .bind(self.refund)
                .bind(self.payments[0])
                .bind(self.account)
                .execute(&mut *tx)
                .await
                .unwrap();
                store::expectations::expect_refund(&mut tx, self.merchant, self.payments[0], self.refund)
                    .await
                    .unwrap();
                let with_refund = line("txn_refund", "refund", "re_1", -2_100);
                self.keep(&mut tx, Some(0), &with_refund).await;
            }
            Fact::Part(place) => self.capture_part(&mut tx, place).await,
            Fact::Referred => self.capture(&mut tx, 2, 3_300, "3").await,
            Fact::Work => {}
        }
        tx.commit().await.unwrap();
        if fact == Fact::Work {
            self.work().await;
        }
    }

    async fn keep(&self, conn: &mut PgConnection, payment: Option<usize>, line: &Line) {
        let payment = payment.map(|place| self.payments[place]);
        let lines = std::slice::from_ref(line);
        store::balance_transactions::insert(conn, self.merchant, self.account, payment, lines)
            .await
            .unwrap();
    }

    async fn capture(&self, conn: &mut PgConnection, place: usize, minor: i64, reference: &str) {
        let values = (self.merchant, self.payments[place].uuid(), minor, reference);
        let sql =
            "update payment set captured_minor = $3, state = 'captured', provider_reference = 'pi_' || $4,
                       charge_reference = 'ch_' || $4
                   where merchant_id = $1 and id = $2";
        run(conn, sql, values).await;
        store::expectations::expect_capture(conn, self.merchant, self.payments[place])
            .await
            .unwrap();
    }

    async fn capture_part(&self, conn: &mut PgConnection, place: usize) {
        sqlx::query(
            "insert into operation (merchant_id, id, payment_id, provider_account_id, kind, amount_minor, state,
                 first_sent_at, created_at)
             values ($1, $2, $3, $4, 'capture', $5, 'succeeded', now(), now()) on conflict do nothing",
        )
        .bind(self.merchant)
        .bind(self.parts[place])
        .bind(self.payments[1])
        .bind(self.account)
        .bind(PARTS[place])
        .execute(&mut *conn)
        .await
        .unwrap();
        let captured = store::operations::list_captured(conn, self.merchant, self.payments[1])
            .await
            .unwrap();
        self.capture(conn, 1, captured.iter().sum(), "2").await;
    }

    async fn work(&self) -> usize {
        let app = self.app;
        reconciliation::book_due(app).await.unwrap()
            + reconciliation::match_due(app).await.unwrap()
            + reconciliation::judge_due(app).await.unwrap()
    }

    /// Time passes until nothing changes any more, and this is where all stands.
    async fn end(&self) -> End {
        for _ in 0..3 {
            let sql = "update balance_transaction set match_at = now() where match_at is not null and merchant_id = $1";
            let mut tx = self.app.db.begin(self.merchant).await.unwrap();
            sqlx::query(sql)
                .bind(self.merchant)
                .execute(&mut *tx)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            while self.work().await > 0 {}
        }
        End {
            held: self
                .list(
                    "select account || ' ' || currency || ' ' || sum(amount_minor) from ledger_entry where merchant_id = $1
                     group by account, currency having sum(amount_minor) <> 0 order by account, currency",
                )
                .await,
            open: self
                .list(
                    "select kind || ' ' || subject from exception where merchant_id = $1 and closed_at is null
                     order by kind, subject",
                )
                .await,
            expected: self
                .list("select kind || ' ' || state from expectation where merchant_id = $1 order by kind, state")
                .await,
        }
    }

    async fn list(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql)
            .bind(self.merchant)
            .fetch_all(&mut *self.app.db.read(self.merchant).await.unwrap())
            .await
            .unwrap()
    }
}

/// Where everything stands.
#[derive(Debug, PartialEq, Eq)]
struct End {
    held: Vec<String>,
    open: Vec<String>,
    expected: Vec<String>,
}

/// Some facts come twice, and all in any order.
fn arrivals() -> impl Strategy<Value = Vec<Fact>> {
    let again = prop::sample::subsequence(FACTS.to_vec(), 0..6);
    again.prop_flat_map(|again| {
        let all: Vec<Fact> = FACTS.into_iter().chain(again).collect();
        Just(all).prop_shuffle()
    })
}

#[test]
fn any_order_of_arrival_gives_the_same_ledger() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(TestApp::spawn_with(Wishes {
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    }));
    let expected = End {
        held: [
            "fees EUR 648",
            "fx EUR -9240",
            "fx USD 10000",
            "provider_balance EUR 27592",
            "receivable_clearing EUR -13300",
            "receivable_clearing USD -10000",
            "suspense EUR -5700",
        ]
        .map(str::to_owned)
        .to_vec(),
        open: ["foreign_line txn_foreign", "unmapped_line txn_unmapped"]
            .map(str::to_owned)
            .to_vec(),
        expected: [
            "capture matched",
            "capture matched",
            "capture matched",
            "refund matched",
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    let mut runner = TestRunner::new(Config {
        cases: 32,
        failure_persistence: None,
        ..Config::default()
    });
    let ended = runner.run(&arrivals(), |facts| {
        let end = runtime.block_on(async {
            let world = World::new(&test).await;
            for fact in facts {
                world.learn(fact).await;
            }
            world.end().await
        });
        prop_assert_eq!(&end, &expected);
        Ok(())
    });
    drop(test);
    ended.unwrap();
}
