//! What may be printed by mistake holds no secret: settings, accounts, keys.

use quittance::config::Settings;
use quittance::crypto::Sealer;
use quittance::domain::api_key::{KeyKind, NewApiKey};
use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::domain::signing_secret::SigningSecret;
use quittance::provider::ProviderAccount;
use quittance::sink::{Access, AddonAccess, Journals, LiveSecret, RpcAccess};
use secrecy::ExposeSecret;

use super::canaries::{Canaries, Kind, PASSWORD, SEALING_KEY, STRIPE_KEY, Seen};
use crate::support::settings;

#[test]
fn settings_accounts_and_keys_print_none_of_their_secrets() {
    let mut canaries = Canaries::known();
    let settings = Settings {
        sealer: Sealer::parse(&SEALING_KEY.to_owned().into()).unwrap(),
        ..settings(&format!("postgres://quittance:{PASSWORD}@db/quittance"))
    };
    let account = ProviderAccount {
        merchant_id: MerchantId::generate(),
        id: ProviderAccountId::generate(),
        provider: "stripe".to_owned(),
        live: false,
        external_account: None,
        api_base: "https://api.stripe.com".parse().unwrap(),
        secret_key: STRIPE_KEY.to_owned().into(),
        publishable_key: None,
    };
    let key = NewApiKey::new(KeyKind::Test, &[7; 32]);
    canaries.add(Kind::ApiKey, key.text.expose_secret());
    let secret = SigningSecret::new(&[9; 32]);
    canaries.add(Kind::SigningSecret, secret.text().expose_secret());
    let rpc = RpcAccess {
        database: "odoo".to_owned(),
        login: None,
        api_key: "canary-of-an-odoo-key".to_owned().into(),
        journals: Journals::default(),
    };
    canaries.add(Kind::OdooKey, "canary-of-an-odoo-key");
    let addon = Access::Addon(AddonAccess {
        secrets: vec![LiveSecret { secret, until: None }],
        ..AddonAccess::default()
    });
    let shown = format!(
        "{settings:#?}\n{account:#?}\n{key:#?}\n{:#?}\n{addon:#?}",
        Access::Rpc(rpc)
    );
    let found = canaries.find("what is printed", &shown, Seen::Nothing);
    assert_eq!(found, []);
    assert!(
        shown.contains("Settings") && shown.contains("ProviderAccount"),
        "{shown}"
    );
}
