//! Who is told what: stock Odoo has its books written, our addon in Odoo is told of each change of a payment.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use sqlx::PgConnection;

use super::{App, AppError};
use crate::domain::ids::{MerchantId, OdooInstanceId};
use crate::domain::news::{News, PaymentNews};
use crate::domain::outbox::Message;
use crate::domain::payment::Payment;
use crate::domain::posting::Posting;
use crate::sink::Via;
use crate::store;

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
    push(app, conn, payment, Via::Rpc, posting.into()).await
}

/// Queues the payment's version for our addon, where its instance has that. The caller holds the payment's row and has
/// written it; told again in the same transaction, the version is told as it is in the end.
pub(super) async fn tell(app: &App, conn: &mut PgConnection, payment: &Payment) -> Result<(), AppError> {
    let merchant = payment.merchant_id;
    let Some(instance) = payment.odoo_instance_id else {
        return Ok(());
    };
    if app.outgoing.ways.get(conn, merchant, instance).await? != Via::Addon {
        return Ok(());
    }
    let operations = store::operations::list(conn, merchant, payment.id).await?;
    let refunds = store::refunds::list(conn, merchant, payment.id).await?;
    let mut told = PaymentNews::of(payment, &operations, &refunds);
    told.version += store::restores::count(conn).await? * VERSIONS_OF_A_LIFE;
    let news = News::PaymentUpdated {
        payment: Box::new(told),
    };
    push(app, conn, payment, Via::Addon, Message::News(news)).await
}

async fn push(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    via: Via,
    message: Message,
) -> Result<(), AppError> {
    let (merchant, now) = (payment.merchant_id, app.clock.now());
    let Some(instance) = payment.odoo_instance_id else {
        return Ok(());
    };
    if app.outgoing.ways.get(conn, merchant, instance).await? == via {
        store::outbox::push(conn, merchant, instance, payment.id, &message, now).await?;
    }
    Ok(())
}
