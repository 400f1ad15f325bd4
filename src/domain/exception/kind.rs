//! What kinds of differences there are.

/// What kind of difference it is: a stable word, used in the API and in alerts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, sqlx::Type, utoipa::ToSchema,
)]
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
    /// The charge or refund settles in another currency than it was made in. Opened before such lines could be booked, and kept for those.
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
    /// An Odoo with our addon will not take a message in and says why, a lock date say: put that right there. It is sent again by
    /// itself, and this ends once Odoo has it.
    MessageRejected,
    /// An event of the payment ran out of attempts: what it told may be missing.
    EventDead,
    /// An Odoo instance says that nobody is there any more: nothing is sent to it until a person says otherwise.
    InstanceGone,
    /// A ledger line of a type that we do not know, which holds its payout open: find out what it moved, book it by hand in Odoo,
    /// and resolve this with the entry's name; an update may know the type.
    UnmappedLine,
    /// A charge or refund that did not start here waits in suspense: link it to the document in Odoo that it pays, or resolve
    /// this with the entry that cleared it.
    ForeignLine,
    /// More arrived than was expected: give the rest back, or book it as what it is.
    AmountOver,
    /// Less arrived than was expected: ask for the rest, or write it off.
    AmountUnder,
    /// It arrived in another currency than was expected: see what the customer was asked for, and correct the document or the
    /// payment's reference.
    CurrencyDiffers,
    /// Money was captured or given back, and no ledger line told of it by its deadline: look it up at the provider, then read the
    /// ledger again with `quittance reconcile --since`.
    LineMissing,
    /// The ledger lines of a payout do not sum to its amount: read them again with `quittance reconcile --since`; if it stays,
    /// the provider must explain it.
    PayoutDiffers,
    /// The provider's balance, the ledger and Odoo's journal are not the same: the exceptions on lines, payouts and postings say
    /// where; what none of them explains was booked by hand.
    BalanceDiffers,
    /// Odoo holds another amount, date or account than it was given, or its period is locked: correct the entry or open the
    /// period there, then replay the posting.
    PostingDiffers,
    /// After a restore, something that the provider did at our asking could not be written again in full: see what it was for, and
    /// resolve this. Until then the merchant's money does not move.
    RestoreIncomplete,
}

impl ExceptionKind {
    /// Those about a ledger line whose money waits in Suspense: its id is their subject.
    pub const OF_LINES: [Self; 3] = [Self::UnmappedLine, Self::ForeignLine, Self::CurrencyDiffers];

    /// Whether it is one of these.
    #[must_use]
    pub fn is_of_a_line(self) -> bool {
        Self::OF_LINES.contains(&self)
    }
}
