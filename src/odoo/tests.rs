//! What unit tests of this room share.

use std::collections::BTreeMap;

use crate::sink::{Books, LostDisputes};

/// A journal in EUR of a company that counts in GBP.
pub(super) fn books() -> Books {
    Books {
        journal_id: 7,
        journal_account_id: 51,
        outstanding_receipts_id: 48,
        outstanding_payments_id: 49,
        inbound_method_line_id: 1,
        outbound_method_line_id: 2,
        fee_account_id: 52,
        company_id: 1,
        currency: "EUR".to_owned(),
        company_currency: Some("GBP".to_owned()),
        accounts: BTreeMap::new(),
        general_journal_id: None,
        bank: None,
        lost_disputes: LostDisputes::default(),
        fee_tax: None,
        credit_notes: false,
    }
}
