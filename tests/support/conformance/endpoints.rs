//! Webhook endpoints, of a company that can be told where to send.

use quittance::domain::ids::{OperationId, WebhookEndpointId};
use quittance::provider::{CreatedEndpoint, Endpoint, Endpoints, NewEndpoint};
use secrecy::ExposeSecret;
use url::Url;

use super::{Calls, Port, Subject, Trouble};

/// The account's endpoints, and a place to send to.
struct Registry<'a, S> {
    port: &'a Port<'a, S>,
    endpoints: &'a dyn Endpoints,
    url: Url,
}

impl<'a, S: Subject> Registry<'a, S> {
    /// None where the company cannot be told.
    fn of(port: &'a Port<'a, S>) -> Option<Self> {
        Some(Self {
            port,
            endpoints: port.provider.endpoints()?,
            url: "https://pay.example.com/webhooks/1".parse().unwrap(),
        })
    }

    async fn make(&self, id: WebhookEndpointId) -> CreatedEndpoint {
        let new = NewEndpoint { id, url: &self.url };
        let made = self.endpoints.create_endpoint(&self.port.account, new).await;
        made.unwrap()
    }

    async fn find(&self, reference: &str) -> Option<Endpoint> {
        let all = self.endpoints.list_endpoints(&self.port.account).await.unwrap();
        all.into_iter().find(|endpoint| endpoint.reference == reference)
    }

    async fn count(&self) -> usize {
        self.endpoints
            .list_endpoints(&self.port.account)
            .await
            .unwrap()
            .len()
    }

    async fn update(&self, reference: &str) {
        let key = OperationId::generate();
        let updated = self.endpoints.update_endpoint(&self.port.account, key, reference);
        updated.await.unwrap();
    }

    async fn delete(&self, reference: &str) {
        let key = OperationId::generate();
        let deleted = self.endpoints.delete_endpoint(&self.port.account, key, reference);
        deleted.await.unwrap();
    }
}

pub(crate) async fn an_endpoint_is_made_once_for_its_id_and_sends_all_that_is_followed<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let Some(registry) = Registry::of(&port) else {
        return;
    };
    let id = WebhookEndpointId::generate();
    // The first answer is lost, and with it the secret.
    subject.befall(Calls::Changes, Trouble::LostAfter);
    let new = NewEndpoint {
        id,
        url: &registry.url,
    };
    let lost = registry.endpoints.create_endpoint(&port.account, new).await;
    assert!(lost.is_err());
    subject.heal();
    let made = registry.make(id).await;
    let again = registry.make(id).await;
    assert_eq!(made.reference, again.reference);
    assert_eq!(made.secret.expose_secret(), again.secret.expose_secret());
    assert_eq!(registry.count().await, 1);
    let shown = registry.find(&made.reference).await.unwrap();
    assert_eq!((shown.url.as_str(), shown.id), (registry.url.as_str(), Some(id)));
    assert!(shown.enabled && shown.lacks(registry.endpoints.followed()).is_empty());
    assert_eq!(
        shown.api_version.as_deref(),
        Some(registry.endpoints.api_version())
    );
}

pub(crate) async fn a_secret_is_rolled_by_a_second_endpoint_and_the_first_one_goes<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let Some(registry) = Registry::of(&port) else {
        return;
    };
    let old = registry.make(WebhookEndpointId::generate()).await;
    let new = registry.make(WebhookEndpointId::generate()).await;
    assert_ne!(old.reference, new.reference);
    assert_ne!(old.secret.expose_secret(), new.secret.expose_secret());
    assert_eq!(registry.count().await, 2, "both send to the same place");
    for _ in 0..2 {
        registry.delete(&old.reference).await;
        assert_eq!(
            registry.find(&old.reference).await,
            None,
            "gone, and gone it stays"
        );
    }
    assert!(registry.find(&new.reference).await.unwrap().enabled);
}

pub(crate) async fn what_an_endpoint_lacks_is_shown_and_made_up_for<S: Subject>() {
    let subject = S::start().await;
    let port = Port::of(&subject);
    let Some(registry) = Registry::of(&port) else {
        return;
    };
    let followed = registry.endpoints.followed();
    let made = registry.make(WebhookEndpointId::generate()).await;
    let left = followed[0];
    subject.spoil_endpoint(&made.reference, left);
    let spoiled = registry.find(&made.reference).await.unwrap();
    assert!(!spoiled.enabled);
    assert_eq!(spoiled.lacks(followed), &followed[1..], "all but {left}");
    for _ in 0..2 {
        registry.update(&made.reference).await;
        let whole = registry.find(&made.reference).await.unwrap();
        assert!(whole.enabled && whole.lacks(followed).is_empty());
    }
    assert_eq!(registry.count().await, 1);
}
