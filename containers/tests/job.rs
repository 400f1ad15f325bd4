//! The main job: from an invoice in Odoo to a line in its books.

use quittance_containers::shop::text;
use quittance_containers::stage::Stage;
use quittance_containers::wait::until;

use crate::WITHIN;

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_made_captured_and_booked_through_published_ports() {
    let stage = Stage::set().await.unwrap();
    let _serve = stage.serve().await.unwrap();
    let _worker = stage.work().await.unwrap();
    let shop = stage.shop_at(&stage.proxy.url()).unwrap();
    let date = time::OffsetDateTime::from(std::time::SystemTime::now()).date();
    let invoice = stage.odoo.add_invoice("Ada", 12_100, "EUR", date).unwrap();

    let payment = shop.order("INV/1", invoice).await.unwrap();
    let id = text(&payment, "id").unwrap();
    let intent = text(&payment, "provider_reference").unwrap();
    let secret = text(&payment, "client_secret").unwrap();
    let customer = stage.stripe.customer();
    customer.confirm(intent, secret, "pm_card_visa").await.unwrap();
    // Nobody asks Stripe: a webhook tells.
    is_in_state(&shop, id, "authorized").await;
    shop.capture(id).await.unwrap();
    is_in_state(&shop, id, "captured").await;

    let booked = until("it stands in Odoo's books", WITHIN, async || {
        let lines = stage.odoo.statement_lines();
        Ok((!lines.is_empty()).then_some(lines))
    });
    booked.await.unwrap();
    let paid = until("the invoice is paid", WITHIN, async || {
        let invoices = stage.odoo.invoices();
        anyhow::ensure!(invoices[0].payment_state == "paid", "{invoices:?}");
        Ok(Some(()))
    });
    paid.await.unwrap();
    assert_eq!(stage.stripe.charges_made(), 1);
    assert_eq!(stage.proxy.failed(), [""; 0]);
}

async fn is_in_state(shop: &quittance_containers::shop::Shop, id: &str, state: &str) {
    let what = format!("{id} is {state}");
    let reached = until(&what, WITHIN, async || {
        let payment = shop.payment(id).await?;
        anyhow::ensure!(payment["state"] == state, "{payment}");
        Ok(Some(()))
    });
    reached.await.unwrap();
}
