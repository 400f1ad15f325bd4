//! Differences that a person must see.

/// What kind of difference it is: a stable word, used in the API and in alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ExceptionKind {
    /// The provider says what cannot follow from what it said before.
    ImpossibleState,
    /// The provider's payment is of another amount or currency than ours.
    AmountDiffers,
    /// The provider uses a word for a state that we do not know.
    UnrecognizedState,
    /// A payment was asked for again with another amount while its money may be moving.
    ReferenceAmountDiffers,
    /// The provider has a payment that we took for failed, and another one was asked for under its reference since.
    ReferenceTaken,
    /// Two payments of one document have the customer's money.
    DoublePayment,
    /// The outcome of an operation could not be found out in the time allowed.
    OutcomeUnknown,
    /// The charge or refund settles in another currency than it was made in, which is not booked yet.
    SettlementCurrencyDiffers,
    /// A refund failed after Odoo's books recorded it.
    RefundFailed,
    /// A customer's bank takes money back or asks about it: somebody must answer.
    DisputeOpened,
    /// Events were not read while the provider listed them.
    EventsMissed,
    /// A payout came back from the bank.
    PayoutFailed,
    /// The provider lets an account charge nobody any more.
    AccountRestricted,
    /// An account took from us the right to act for it.
    AccountDeauthorized,
    /// A message to Odoo ran out of attempts, and later ones of its payment wait behind it.
    MessageDead,
    /// An event of the payment ran out of attempts: what it told may be missing.
    EventDead,
    /// An Odoo instance says that nobody is there any more: nothing is sent to it until a person says otherwise.
    InstanceGone,
}
