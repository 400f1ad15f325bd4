//! From facts to entries.

use super::{Classified, Counterpart, Entries, LedgerAccount, Unbalanced};
use crate::domain::balance_transaction::BalanceTransaction;
use crate::domain::money::Money;

/// What a line is booked as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The entries.
    pub entries: Entries,
    /// Why part of it went to Suspense, where it did.
    pub unexplained: Option<Unexplained>,
}

/// Why part of a line waits in Suspense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexplained {
    /// Its type, or that of a part of its fee, is none that we know.
    Unmapped,
    /// It belongs to no payment that started here.
    Foreign,
}

/// Books a line. Whatever it is, the provider's balance moves by its net, so that ours and the provider's agree.
///
/// `presented` is what the customer paid for it, or got back as a negative amount, where it belongs to a payment of ours. In
/// another currency than the line's, the customer's half and the provider's half each balance through Fx, so that no rate is
/// ever calculated with.
///
/// # Errors
/// [`Unbalanced`] where the line contradicts itself: its net is not its gross without its fee.
pub fn book(
    line: &BalanceTransaction,
    classified: &Classified,
    presented: Option<Money>,
) -> Result<Booking, Unbalanced> {
    let money = |minor: i64| Money::new(minor, line.amount.currency);
    let met = classified.counterpart;
    let mut unexplained = None;
    let mut entries = vec![(LedgerAccount::ProviderBalance, money(line.net_minor))];
    entries.extend(fees(line, classified, &mut unexplained));
    let gross = -line.amount;
    match (met, presented) {
        (Some(Counterpart::Customer), Some(presented)) => entries.extend(customers(gross, presented)),
        (Some(Counterpart::Customer), None) => {
            unexplained = unexplained.or(Some(Unexplained::Foreign));
            entries.push((LedgerAccount::Suspense, gross));
        }
        (Some(Counterpart::Account(account)), _) => entries.push((account, gross)),
        (None, _) => {
            unexplained = Some(Unexplained::Unmapped);
            entries.push((LedgerAccount::Suspense, gross));
        }
    }
    Ok(Booking {
        entries: Entries::balanced(entries)?,
        unexplained,
    })
}

/// The other side of a customer's money, `gross` of which is to be met, debits positive.
pub(super) fn customers(gross: Money, presented: Money) -> Vec<(LedgerAccount, Money)> {
    if presented.currency == gross.currency {
        return vec![(LedgerAccount::ReceivableClearing, gross)];
    }
    vec![
        (LedgerAccount::Fx, gross),
        (LedgerAccount::Fx, presented),
        (LedgerAccount::ReceivableClearing, -presented),
    ]
}

/// What a line's fee is made of. Parts that are not all of it are none: then it is booked whole.
fn fees(
    line: &BalanceTransaction,
    classified: &Classified,
    unexplained: &mut Option<Unexplained>,
) -> Vec<(LedgerAccount, Money)> {
    let money = |minor: i64| Money::new(minor, line.amount.currency);
    let of_a_dispute = classified.counterpart == Some(Counterpart::Account(LedgerAccount::Disputes));
    let of_its_own = |account| {
        if of_a_dispute && account == LedgerAccount::Fees {
            LedgerAccount::DisputeFees
        } else {
            account
        }
    };
    let told: i128 = line
        .fee_details
        .iter()
        .map(|part| i128::from(part.amount_minor))
        .sum();
    if told != i128::from(line.fee_minor) || classified.fees.len() != line.fee_details.len() {
        let account = of_its_own(LedgerAccount::Fees);
        return vec![(account, money(line.fee_minor))];
    }
    let parts = line.fee_details.iter().zip(&classified.fees);
    parts
        .map(|(part, account)| {
            let account = account.map_or_else(
                || {
                    *unexplained = Some(Unexplained::Unmapped);
                    LedgerAccount::Suspense
                },
                of_its_own,
            );
            (account, money(part.amount_minor))
        })
        .collect()
}

/// Books that a payout reached the bank.
///
/// # Errors
/// Never: two sides of one amount.
pub fn book_paid_out(amount: Money) -> Result<Entries, Unbalanced> {
    Entries::balanced([(LedgerAccount::Bank, amount), (LedgerAccount::InTransit, -amount)])
}

/// Books that what a dispute took, and did not bring back, is gone for good.
///
/// # Errors
/// Never: two sides of one amount.
pub fn book_lost(amount: Money) -> Result<Entries, Unbalanced> {
    Entries::balanced([
        (LedgerAccount::DisputeLosses, amount),
        (LedgerAccount::Disputes, -amount),
    ])
}

/// Books that a payout that had reached the bank came back.
///
/// # Errors
/// Never: two sides of one amount.
pub fn book_returned(amount: Money) -> Result<Entries, Unbalanced> {
    book_paid_out(-amount)
}
