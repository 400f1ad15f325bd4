//! Who pays, and with what: a customer and a saved method of theirs, by our ids or by the provider's.

use sqlx::PgConnection;

use crate::app::auth::Caller;
use crate::app::customers::get_of_mode;
use crate::app::payment_methods::get_method_of_mode;
use crate::app::{App, AppError};
use crate::domain::customer::Customer;
use crate::domain::ids::{CustomerId, PaymentMethodId, ProviderAccountId};
use crate::domain::payment_method::{MethodState, PaymentMethod};
use crate::store;

/// Who pays, and with what, as the provider knows them.
#[derive(Debug, Default)]
pub(super) struct Payer {
    /// Our id of the customer, and the provider's.
    pub(super) customer: Option<(CustomerId, String)>,
    /// The provider's id of the method.
    pub(super) payment_method: Option<String>,
}

/// Finds the customer and the method that a caller named. A method brings its customer with it.
///
/// # Errors
/// [`AppError::Invalid`] where the two do not belong together, or to the account.
pub(super) async fn find(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    account: ProviderAccountId,
    customer: Option<CustomerId>,
    payment_method: Option<&str>,
) -> Result<Payer, AppError> {
    let named = match customer {
        Some(id) => Some(known(get_of_mode(app, conn, caller, id).await?, account)?),
        None => None,
    };
    let Some(text) = payment_method else {
        return Ok(Payer {
            customer: named,
            payment_method: None,
        });
    };
    let Some(method) = saved(app, conn, caller, account, text).await? else {
        return Ok(Payer {
            customer: named,
            payment_method: Some(text.to_owned()),
        });
    };
    if method.state == MethodState::Detached {
        return Err(AppError::MethodDetached);
    }
    if named.as_ref().is_some_and(|(id, _)| *id != method.customer_id) {
        return Err(invalid(
            "payment_method",
            "other_customer",
            "is another customer's",
        ));
    }
    let owner = get_of_mode(app, conn, caller, method.customer_id).await?;
    Ok(Payer {
        customer: Some(known(owner, account)?),
        payment_method: Some(method.provider_reference),
    })
}

/// The saved method that a text names; none where it names what the provider's script made just now.
async fn saved(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    account: ProviderAccountId,
    text: &str,
) -> Result<Option<PaymentMethod>, AppError> {
    let merchant = caller.merchant_id;
    let Ok(id) = text.parse::<PaymentMethodId>() else {
        return Ok(store::payment_methods::find_by_provider_reference(conn, merchant, account, text).await?);
    };
    let method = get_method_of_mode(app, conn, caller, id).await?;
    if method.provider_account_id == account {
        Ok(Some(method))
    } else {
        Err(invalid(
            "payment_method",
            "other_account",
            "is kept at another account",
        ))
    }
}

fn known(customer: Customer, account: ProviderAccountId) -> Result<(CustomerId, String), AppError> {
    if customer.provider_account_id != account {
        return Err(invalid("customer", "other_account", "is kept at another account"));
    }
    let message = "is not known to the provider yet; repeat POST /v1/customers for the partner";
    let reference = customer
        .provider_reference
        .ok_or_else(|| invalid("customer", "customer_not_ready", message))?;
    Ok((customer.id, reference))
}

fn invalid(field: &'static str, code: &'static str, message: &str) -> AppError {
    AppError::Invalid {
        field,
        code,
        message: message.to_owned(),
    }
}
