//! Where messages may go.

use std::time::Duration;

use quittance::app::{AppError, setup};
use quittance::domain::ids::{MerchantId, OdooInstanceId, OutboxMessageId, PaymentId, ProviderAccountId};
use quittance::domain::money::Amount;
use quittance::domain::news::{Beside, Mode, News, PaymentNews};
use quittance::domain::outbox::{Message, OutboxMessage};
use quittance::domain::payment::{Payment, Reference};
use quittance::domain::signing_secret::SigningSecret;
use quittance::odoo::OdooSink;
use quittance::sink::{Access, AddonAccess, LiveSecret, OdooInstance, Sink, SinkError};
use quittance::startup::{Application, Role};
use quittance_sandbox::addon::PretendAddon;
use time::macros::datetime;

use super::World;
use crate::support::settings;

/// Each a way to write an address that is not public.
fn refused(port: u16) -> Vec<String> {
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "224.0.0.1",
    ]
    .iter()
    .map(|host| format!("http://{host}:{port}/payment/quittance/news"))
    .collect()
}

fn message() -> OutboxMessage {
    let amount = Amount::parse(12_100, "EUR".parse().unwrap()).unwrap();
    let reference = Reference::parse("S1").unwrap();
    let now = datetime!(2026-11-20 12:00 UTC);
    let payment = Payment::new(
        MerchantId::generate(),
        quittance::domain::ids::ProviderAccountId::generate(),
        reference,
        amount,
        now,
    );
    let beside = Beside {
        mode: Mode::Test,
        customer: None,
        payment_method: None,
        operations: Vec::new(),
        refunds: Vec::new(),
    };
    OutboxMessage {
        id: OutboxMessageId::generate(),
        odoo_instance_id: OdooInstanceId::generate(),
        provider_account_id: ProviderAccountId::generate(),
        payment_id: Some(PaymentId::generate()),
        sequence: Some(1),
        posting: Message::News(News::PaymentUpdated {
            payment: Box::new(PaymentNews::of(&payment, beside)),
        }),
        attempts: 0,
        fence: 1,
        trace_context: None,
    }
}

#[tokio::test]
async fn an_address_that_is_not_public_gets_nothing_however_it_is_written() {
    let addon = PretendAddon::start().await.unwrap();
    let sink = OdooSink::new(Duration::from_secs(5), "none".parse().unwrap()).unwrap();
    for url in refused(addon.port()) {
        let instance = OdooInstance {
            merchant_id: MerchantId::generate(),
            id: OdooInstanceId::generate(),
            url: url.parse().unwrap(),
            access: Access::Addon(AddonAccess {
                secrets: vec![LiveSecret {
                    secret: SigningSecret::new(&[1; 32]),
                    until: None,
                }],
                ..AddonAccess::default()
            }),
        };
        let sent = sink
            .send(&instance, &[message()], datetime!(2026-11-20 12:00 UTC))
            .await;
        assert!(
            matches!(sent[0], Err(SinkError::NotAllowed { .. })),
            "{url}: {sent:?}"
        );
        let checked = sink.check_address(&instance.url).await;
        assert!(
            matches!(checked, Err(SinkError::NotAllowed { .. })),
            "{url}: {checked:?}"
        );
    }
    assert_eq!(addon.connections(), 0);
}

#[tokio::test]
async fn an_allowed_name_or_address_is_spoken_to() {
    let addon = PretendAddon::start().await.unwrap();
    let sink = OdooSink::new(Duration::from_secs(5), "127.0.0.0/8".parse().unwrap()).unwrap();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}/", addon.port()).parse().unwrap();
        sink.check_address(&url).await.unwrap();
    }
    let metadata = "http://169.254.169.254/".parse().unwrap();
    assert!(
        sink.check_address(&metadata).await.is_err(),
        "one network is not all"
    );
}

#[tokio::test]
async fn an_instance_at_an_address_that_is_not_allowed_is_not_added() {
    let world = World::new().await;
    let (app, merchant) = (world.test.application().app(), world.test.merchant);
    for url in ["http://10.0.0.1/", "http://169.254.169.254/", "http://[::1]/"] {
        let added = setup::add_addon_instance(app, merchant, url.parse().unwrap()).await;
        let Err(AppError::Invalid { code, message, .. }) = added else {
            panic!("{url}: {added:?}")
        };
        assert_eq!(code, "address_not_allowed");
        assert!(message.contains("QUITTANCE_ODOO_ALLOWED_NETWORKS"), "{message}");
    }
    let added = setup::add_addon_instance(app, merchant, "ftp://example.com/".parse().unwrap()).await;
    assert!(
        matches!(
            added,
            Err(AppError::Invalid {
                code: "invalid_url",
                ..
            })
        ),
        "{added:?}"
    );
}

#[tokio::test]
async fn an_instance_whose_address_is_not_allowed_any_more_rests_and_spends_no_attempt() {
    let world = World::with(Role::Serve, 100).await;
    let mut settings = settings(&world.database);
    settings.odoo_allowed_networks = "none".parse().unwrap();
    let worker = Application::start(&settings, Role::Work).await.unwrap();
    world.pay("S1").await;
    world.until("it rests", async || world.failures().await > 1).await;
    let waiting = world.messages("S1").await;
    assert_eq!((waiting[0].0.as_str(), waiting[0].1), ("pending", 0));
    assert!(
        waiting[0].2.as_ref().unwrap().contains("not allowed"),
        "{waiting:?}"
    );
    assert_eq!(world.addon.connections(), 0);
    worker.stop().await;
}
