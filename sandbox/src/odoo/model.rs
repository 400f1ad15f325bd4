//! The models that are known, their fields and where their links lead.

use super::error::OdooError;

/// The models that are known. A call to any other is answered as Odoo answers for a module that is not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    Account,
    Company,
    Currency,
    Entry,
    Item,
    Journal,
    MethodLine,
    Partial,
    Partner,
    Payment,
    StatementLine,
    Tag,
    Tax,
    TaxShare,
}

impl Model {
    /// All of them.
    pub(super) const ALL: [Self; 14] = [
        Self::Account,
        Self::Company,
        Self::Currency,
        Self::Entry,
        Self::Item,
        Self::Journal,
        Self::MethodLine,
        Self::Partial,
        Self::Partner,
        Self::Payment,
        Self::StatementLine,
        Self::Tag,
        Self::Tax,
        Self::TaxShare,
    ];

    /// Odoo's name of it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Account => "account.account",
            Self::Company => "res.company",
            Self::Currency => "res.currency",
            Self::Entry => "account.move",
            Self::Item => "account.move.line",
            Self::Journal => "account.journal",
            Self::MethodLine => "account.payment.method.line",
            Self::Partial => "account.partial.reconcile",
            Self::Partner => "res.partner",
            Self::Payment => "account.payment",
            Self::StatementLine => "account.bank.statement.line",
            Self::Tag => "account.account.tag",
            Self::Tax => "account.tax",
            Self::TaxShare => "account.tax.repartition.line",
        }
    }

    /// The model of a name.
    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    /// What can be read of it, besides `id`.
    pub(super) const fn fields(self) -> &'static str {
        match self {
            Self::Account => "code name account_type reconcile active currency_id",
            Self::Company => {
                "name currency_id fiscalyear_lock_date transfer_account_id account_journal_suspense_account_id \
                 income_currency_exchange_account_id expense_currency_exchange_account_id"
            }
            Self::Currency => "name active decimal_places rate_ids rate",
            Self::Entry => {
                "name state date invoice_date ref journal_id company_id currency_id partner_id payment_state \
                 amount_residual amount_total move_type reversed_entry_id \
                 fiscal_position_id"
            }
            Self::Item => {
                "name move_id account_id account_type partner_id journal_id currency_id balance amount_currency debit \
                 credit amount_residual amount_residual_currency reconciled date parent_state payment_id \
                 statement_line_id move_type display_type tax_ids tax_line_id tax_repartition_line_id tax_tag_ids \
                 tax_base_amount product_id product_uom_id quantity price_unit discount price_subtotal price_total \
                 analytic_distribution"
            }
            Self::Journal => {
                "name code type active default_account_id suspense_account_id currency_id company_id"
            }
            Self::MethodLine => "name code payment_type journal_id payment_account_id",
            Self::Partial => {
                "debit_move_id credit_move_id amount debit_amount_currency credit_amount_currency"
            }
            Self::Partner => "name",
            Self::Payment => {
                "name state payment_type partner_id amount currency_id date journal_id memo payment_reference \
                 destination_account_id move_id is_matched"
            }
            Self::StatementLine => {
                "payment_ref amount move_id is_reconciled name date ref state journal_id currency_id partner_id"
            }
            Self::Tag => "name applicability",
            Self::Tax => "name type_tax_use amount_type amount price_include tax_exigibility active",
            Self::TaxShare => "tax_id document_type repartition_type factor_percent account_id tag_ids",
        }
    }

    /// Whether a field, or one behind links, can be read: even where no record is there to read it of.
    pub(super) fn knows(self, path: &str) -> bool {
        let (field, rest) = path
            .split_once('.')
            .map_or((path, None), |(field, rest)| (field, Some(rest)));
        let known = field == "id" || self.fields().split(' ').any(|name| name == field);
        known && rest.is_none_or(|rest| Self::linked(field).is_some_and(|model| model.knows(rest)))
    }

    /// The model that a link leads to: every model calls its links alike.
    pub(super) fn linked(field: &str) -> Option<Self> {
        match field {
            "account_id" | "default_account_id" | "payment_account_id" | "suspense_account_id" => {
                Some(Self::Account)
            }
            "company_id" => Some(Self::Company),
            "currency_id" => Some(Self::Currency),
            "debit_move_id" | "credit_move_id" => Some(Self::Item),
            "journal_id" => Some(Self::Journal),
            "move_id" | "reversed_entry_id" => Some(Self::Entry),
            "partner_id" => Some(Self::Partner),
            "payment_id" | "origin_payment_id" => Some(Self::Payment),
            "statement_line_id" => Some(Self::StatementLine),
            "tax_id" | "tax_line_id" => Some(Self::Tax),
            "tax_repartition_line_id" => Some(Self::TaxShare),
            _ => None,
        }
    }
}

/// What Odoo answers for a field that it does not have.
pub(super) fn unknown_field(model: Model, field: &str) -> OdooError {
    OdooError::value(format!("Invalid field '{field}' on '{}'", model.name()))
}
