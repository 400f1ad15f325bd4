//! What happens: five invoices, and most of what can go wrong on the way to being paid.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use quittance_sandbox::faults::{Fault, Matcher};

use crate::audit::Asked;
use crate::odoo::{Invoice, Odoo};
use crate::shop::{Order, Payment, Shop};
use crate::stage::Stage;

/// What every customer owes.
const AMOUNT_MINOR: i64 = 12_100;
/// How long Stripe and Odoo sit on the calls that the service is killed in.
const IN_FLIGHT: Duration = Duration::from_millis(1_500);
/// What does not come true by then is an error.
const DEADLINE: Duration = Duration::from_mins(1);

/// Tells the story on a stage, and keeps what was asked for.
#[derive(Debug)]
pub(crate) struct Story<'a> {
    stage: &'a mut Stage,
    shop: &'a Shop,
    odoo: &'a Odoo,
    asked: Vec<Asked>,
}

impl<'a> Story<'a> {
    pub(crate) fn new(stage: &'a mut Stage, shop: &'a Shop, odoo: &'a Odoo) -> Self {
        Self {
            stage,
            shop,
            odoo,
            asked: Vec::new(),
        }
    }

    /// Tells it to its end, where all that was asked for stands in Odoo's books.
    pub(crate) async fn tell(mut self) -> Result<Vec<Asked>> {
        self.with_three_d_secure().await?;
        self.declined_then_paid().await?;
        self.captured_across_a_kill().await?;
        self.refunded().await?;
        self.charged_without_an_answer().await?;
        self.until_posted().await?;
        Ok(self.asked)
    }

    async fn with_three_d_secure(&mut self) -> Result<()> {
        let invoice = self.invoice("Ada").await?;
        let payment = self.shop.create(&order(&invoice, "automatic")).await?;
        self.webhooks_pile_up();
        let (intent, secret) = payment.for_browser()?;
        let customer = self.stage.stripe.customer();
        customer
            .confirm(intent, secret, "pm_card_threeDSecure2Required")
            .await?;
        customer.authenticate(intent, true).await?;
        self.webhooks_arrive();
        let payment = self.captured(&payment).await?;
        self.done(invoice, payment, "paid with 3-D Secure", 0)
    }

    async fn declined_then_paid(&mut self) -> Result<()> {
        let invoice = self.invoice("Blaise").await?;
        let payment = self.shop.create(&order(&invoice, "automatic")).await?;
        self.webhooks_pile_up();
        let (intent, secret) = payment.for_browser()?;
        let customer = self.stage.stripe.customer();
        customer
            .confirm(intent, secret, "pm_card_chargeDeclinedInsufficientFunds")
            .await?;
        customer.confirm(intent, secret, "pm_card_visa").await?;
        // The service will be killed while Odoo sits on this.
        let posting = Matcher::path("/json/2/account.bank.statement.line/load");
        self.stage.odoo.faults().next(posting, Fault::Delay(IN_FLIGHT));
        self.webhooks_arrive();
        let payment = self.captured(&payment).await?;
        self.done(invoice, payment, "declined, then paid", 0)
    }

    /// A capture is on its way to Stripe, and a posting to Odoo, when the service is killed. Both arrive.
    async fn captured_across_a_kill(&mut self) -> Result<()> {
        let invoice = self.invoice("Charles").await?;
        let payment = self.shop.create(&order(&invoice, "manual")).await?;
        let (intent, secret) = payment.for_browser()?;
        self.stage
            .stripe
            .customer()
            .confirm(intent, secret, "pm_card_visa")
            .await?;
        let authorized = |payment: &Payment| payment.state == "authorized";
        let payment = self.shop.wait(&payment.id, "authorized", authorized).await?;

        let capture = Matcher::method_path("POST", "/v1/payment_intents/*/capture");
        self.stage.stripe.faults().next(capture, Fault::Delay(IN_FLIGHT));
        let (answer, killed) = tokio::join!(self.shop.capture(&payment), kill_in_flight(self.stage));
        killed?;
        if answer.is_ok() {
            bail!("the capture was answered by a service that had been killed");
        }
        say("         SIGKILL, with the capture at Stripe and a posting at Odoo unanswered; started again")?;
        self.stage.start_service().await?;
        let payment = self.captured(&payment).await?;
        self.done(invoice, payment, "authorized, captured across a SIGKILL", 0)
    }

    async fn refunded(&mut self) -> Result<()> {
        let invoice = self.invoice("Dorothy").await?;
        let payment = self.shop.create(&order(&invoice, "automatic")).await?;
        let (intent, secret) = payment.for_browser()?;
        self.stage
            .stripe
            .customer()
            .confirm(intent, secret, "pm_card_visa")
            .await?;
        let payment = self.captured(&payment).await?;
        self.webhooks_pile_up();
        self.shop.refund(&payment).await?;
        self.webhooks_arrive();
        let refunded = |payment: &Payment| payment.refunded_minor == AMOUNT_MINOR;
        let payment = self.shop.wait(&payment.id, "refunded", refunded).await?;
        self.done(invoice, payment, "paid, then refunded", AMOUNT_MINOR)
    }

    /// Stripe charges, and its answer never comes.
    async fn charged_without_an_answer(&mut self) -> Result<()> {
        let invoice = self.invoice("Emmy").await?;
        let create = Matcher::method_path("POST", "/v1/payment_intents");
        self.stage.stripe.faults().next(create, Fault::TimeoutAfter);
        let order = Order {
            payment_method: Some("pm_card_visa"),
            ..order(&invoice, "automatic")
        };
        self.webhooks_pile_up();
        let payment = self.shop.create(&order).await?;
        if payment.is_decided {
            bail!("a payment that Stripe did not answer was answered as decided: {payment:?}");
        }
        say("         charged at Stripe, and Stripe's answer never came: Odoo was told \"not known yet\"")?;
        self.webhooks_arrive();
        let payment = self.captured(&payment).await?;
        self.done(invoice, payment, "saved card, Stripe's answer lost", 0)
    }

    /// Waits until nothing is on its way any more.
    async fn until_posted(&mut self) -> Result<()> {
        self.stage.stripe.wait_until_delivered(DEADLINE).await?;
        for asked in &mut self.asked {
            // The payment and the charge's line; the same again for a refund.
            let wanted = if asked.refunded_minor == 0 { 2 } else { 4 };
            let posted = |payment: &Payment| payment.posted() >= wanted && payment.is_known();
            asked.payment = self
                .shop
                .wait(&asked.payment.id, "in Odoo's books", posted)
                .await?;
        }
        Ok(())
    }

    async fn invoice(&self, customer: &str) -> Result<Invoice> {
        self.odoo.invoice(customer, AMOUNT_MINOR).await
    }

    async fn captured(&self, payment: &Payment) -> Result<Payment> {
        self.shop
            .wait(&payment.id, "captured", |payment| payment.state == "captured")
            .await
    }

    /// Events wait at Stripe, so that they then come together, mixed, and each twice.
    fn webhooks_pile_up(&self) {
        self.stage.stripe.hold();
    }

    fn webhooks_arrive(&self) {
        self.stage.stripe.release();
    }

    fn done(
        &mut self,
        invoice: Invoice,
        payment: Payment,
        what: &'static str,
        refunded_minor: i64,
    ) -> Result<()> {
        say(&format!("  {:<16} {what}", invoice.name))?;
        self.asked.push(Asked {
            invoice,
            payment,
            what,
            refunded_minor,
        });
        Ok(())
    }
}

/// Kills the service once Stripe has the capture in its hands, and Odoo a posting.
async fn kill_in_flight(stage: &mut Stage) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while stage.stripe.faults().fired().is_empty() || stage.odoo.faults().fired().is_empty() {
        if Instant::now() > deadline {
            bail!("the capture did not reach Stripe, or no posting reached Odoo");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stage.kill_service().await
}

fn order(invoice: &Invoice, capture_method: &'static str) -> Order {
    Order {
        invoice: invoice.clone(),
        capture_method,
        payment_method: None,
    }
}

/// Tells the reader.
pub(crate) fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
