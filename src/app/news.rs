//! Who is told what: stock Odoo has its books written, our addon in Odoo is told of each change of a payment and of what is beside it.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use sqlx::PgConnection;

use super::{App, AppError};
use crate::domain::dispute::Dispute;
use crate::domain::ids::{MerchantId, OdooInstanceId, ProviderAccountId};
use crate::domain::news::{Beside, DisputeNews, Mode, News, PaymentNews, SetupNews};
use crate::domain::outbox::Message;
use crate::domain::payment::Payment;
use crate::domain::payment_method::PaymentMethod;
use crate::domain::posting::Posting;
use crate::domain::setup::Setup;
use crate::sink::Via;
use crate::store;
use crate::store::outbox::Subject;

/// On how many payments of a method that was saved just now it is told at most: it is new, so that one is usual.
const PAYMENTS_OF_METHOD: i64 = 10;

/// After a restore versions go on from what was told before it, whatever that was: more of them than a payment ever has.
const VERSIONS_OF_A_LIFE: i64 = 1_000_000;

/// Which way each instance is told. That never changes, so that each is read once.
#[derive(Debug, Default)]
pub(super) struct Ways(RwLock<HashMap<OdooInstanceId, Via>>);

impl Ways {
    pub(super) async fn get(
        &self,
        conn: &mut PgConnection,
        merchant: MerchantId,
        id: OdooInstanceId,
    ) -> Result<Via, AppError> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .copied();
        if let Some(via) = known {
            return Ok(via);
        }
        let via = store::odoo_instances::get_via(conn, merchant, id).await?;
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, via);
        Ok(via)
    }
}

/// Queues what the books of the payment's instance must show, where we write them. The caller holds the payment's row.
pub(super) async fn post(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    posting: Posting,
) -> Result<(), AppError> {
    if let Some(instance) = told(app, conn, payment, Via::Rpc).await? {
        push_of(app, conn, payment, instance, &posting.into()).await?;
    }
    Ok(())
}

/// Queues the payment's version for our addon, where its instance has that. The caller holds the payment's row and has
/// written it; told again in the same transaction, the version is told as it is in the end.
pub(super) async fn tell(app: &App, conn: &mut PgConnection, payment: &Payment) -> Result<(), AppError> {
    let Some(instance) = told(app, conn, payment, Via::Addon).await? else {
        return Ok(());
    };
    let beside = look_beside(app, conn, payment).await?;
    let news = News::PaymentUpdated {
        payment: Box::new(PaymentNews::of(payment, beside)),
    };
    let message = of_this_life(conn, news).await?;
    push_of(app, conn, payment, instance, &message).await
}

/// Queues a dispute's version for the addon that is told of its payment. The caller holds both rows.
pub(super) async fn tell_dispute(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    dispute: &Dispute,
) -> Result<(), AppError> {
    let Some(instance) = told(app, conn, payment, Via::Addon).await? else {
        return Ok(());
    };
    let dispute = DisputeNews::of(dispute, payment.id, payment.reference.as_str());
    let news = News::DisputeUpdated {
        dispute: Box::new(dispute),
    };
    let message = of_this_life(conn, news).await?;
    push_of(app, conn, payment, instance, &message).await
}

/// Queues a setup's version for the addon that keeps its account's books. The caller holds the setup's row and has written it.
pub(super) async fn tell_setup(app: &App, conn: &mut PgConnection, setup: &Setup) -> Result<(), AppError> {
    let (merchant, account) = (setup.merchant_id, setup.provider_account_id);
    let Some(instance) = store::book_keepers::find(conn, merchant, account).await? else {
        return Ok(());
    };
    let customer = store::customers::get(conn, merchant, setup.customer_id).await?;
    let method = match setup.payment_method {
        Some(id) => Some(store::payment_methods::get(conn, merchant, id).await?),
        None => None,
    };
    let news = News::SetupUpdated {
        setup: Box::new(SetupNews::of(setup, &customer, method.as_ref())),
    };
    let message = of_this_life(conn, news).await?;
    let subject = Subject::Other(setup.id.uuid());
    push(app, conn, (merchant, account), instance, subject, &message).await
}

/// Queues a method's version for the addon that keeps its account's books. The caller holds the method's row and has written it.
pub(super) async fn tell_method(
    app: &App,
    conn: &mut PgConnection,
    method: &PaymentMethod,
) -> Result<(), AppError> {
    let (merchant, account) = (method.merchant_id, method.provider_account_id);
    let Some(instance) = store::book_keepers::find(conn, merchant, account).await? else {
        return Ok(());
    };
    let news = News::PaymentMethodUpdated {
        payment_method: method.into(),
    };
    let message = of_this_life(conn, news).await?;
    let subject = Subject::Other(method.id.uuid());
    push(app, conn, (merchant, account), instance, subject, &message).await
}

/// Tells of the payments that a method was tried on which is known from now on: they saved it.
pub(super) async fn tell_of_saved(
    app: &App,
    conn: &mut PgConnection,
    method: &PaymentMethod,
) -> Result<(), AppError> {
    let (merchant, account) = (method.merchant_id, method.provider_account_id);
    let reference = &method.provider_reference;
    let tried =
        store::payments::list_of_method(conn, merchant, account, reference, PAYMENTS_OF_METHOD).await?;
    for id in tried {
        let mut payment = store::payments::lock(conn, &app.sealer, merchant, id).await?;
        if told(app, conn, &payment, Via::Addon).await?.is_some() {
            payment.touch(app.clock.now());
            store::payments::update(conn, &app.sealer, &payment).await?;
            tell(app, conn, &payment).await?;
        }
    }
    Ok(())
}

/// The message of a version, which is higher than any that was told before the database was put back.
async fn of_this_life(conn: &mut PgConnection, mut news: News) -> Result<Message, AppError> {
    news.raise_versions(store::restores::count(conn).await? * VERSIONS_OF_A_LIFE);
    Ok(Message::News(news))
}

/// What is told with a payment and is kept elsewhere.
async fn look_beside(app: &App, conn: &mut PgConnection, payment: &Payment) -> Result<Beside, AppError> {
    let (merchant, account) = (payment.merchant_id, payment.provider_account_id);
    let known = app.accounts.get(app, conn, merchant, account).await?;
    let customer = match payment.customer_id {
        Some(id) => Some(store::customers::get(conn, merchant, id).await?),
        None => None,
    };
    let method = match &payment.method_reference {
        Some(method) => {
            store::payment_methods::find_by_provider_reference(conn, merchant, account, method).await?
        }
        None => None,
    };
    Ok(Beside {
        mode: if known.account.live {
            Mode::Live
        } else {
            Mode::Test
        },
        customer: customer.as_ref().map(Into::into),
        payment_method: method.as_ref().map(Into::into),
        operations: store::operations::list(conn, merchant, payment.id).await?,
        refunds: store::refunds::list(conn, merchant, payment.id).await?,
    })
}

/// The instance that is told of a payment, where it is told that way.
async fn told(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    via: Via,
) -> Result<Option<OdooInstanceId>, AppError> {
    let Some(instance) = payment.odoo_instance_id else {
        return Ok(None);
    };
    let way = app.outgoing.ways.get(conn, payment.merchant_id, instance).await?;
    Ok((way == via).then_some(instance))
}

async fn push_of(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    instance: OdooInstanceId,
    message: &Message,
) -> Result<(), AppError> {
    let place = (payment.merchant_id, payment.provider_account_id);
    push(app, conn, place, instance, Subject::Payment(payment.id), message).await
}

async fn push(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    instance: OdooInstanceId,
    subject: Subject,
    message: &Message,
) -> Result<(), AppError> {
    let now = app.clock.now();
    Ok(store::outbox::push(conn, (merchant, account), instance, subject, message, now).await?)
}
