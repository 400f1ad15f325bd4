//! `quittance odoo …`

use std::collections::BTreeMap;

use clap::builder::ArgPredicate;
use clap::{Args, Subcommand, ValueEnum};
use quittance::app::App;
use quittance::app::odoo_setup::{self, Wanted};
use quittance::domain::ids::{MerchantId, OdooInstanceId, ProviderAccountId};
use quittance::domain::ledger::LedgerAccount;
use quittance::domain::money::{Currency, CurrencyError};
use quittance::sink::{LostDisputes, Role, TaxChoice};
use serde_json::{Value, json};

use super::whose::word;

#[derive(Subcommand)]
pub(crate) enum OdooCommand {
    /// Find the journals and accounts of a Stripe account, one journal for each currency it settles in, and say what is missing.
    /// With `--apply` make that, and book there from then on.
    Setup(Box<Setup>),
    /// Look whether every journal of an instance is still as bookings need it. Exit code 1 where one is not.
    Check {
        /// Whose Odoo it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The instance (`odo_…`).
        #[arg(long)]
        odoo_instance: OdooInstanceId,
    },
}

#[derive(Args)]
pub(crate) struct Setup {
    /// Whose Odoo and account they are (`mer_…`).
    #[arg(long)]
    merchant: MerchantId,
    /// The instance (`odo_…`).
    #[arg(long)]
    odoo_instance: OdooInstanceId,
    /// The account (`acc_…`).
    #[arg(long)]
    provider_account: ProviderAccountId,
    /// A currency that the account settles in, once for each. Where none is said, those that Stripe holds, and the company's.
    #[arg(long)]
    currency: Vec<Currency>,
    /// The company's name, where the key's user has several.
    #[arg(long)]
    company: Option<String>,
    /// A bank journal that is there and shall stand for a currency, such as `EUR=STRP`.
    #[arg(long, value_parser = named_journal)]
    journal: Vec<(Currency, String)>,
    /// An account that is there and shall be taken, such as `fees=621000`.
    #[arg(long, value_parser = named_account)]
    account: Vec<(Role, String)>,
    /// The account for the tax on fees, as `--account fee_tax=…`.
    #[arg(long)]
    fee_tax_account: Option<String>,
    /// The short code of the journal for entries that move nothing at Stripe; the company's own where none is said.
    #[arg(long)]
    general_journal: Option<String>,
    /// The short code of the bank's own journal, where we write the bank's side of payouts.
    #[arg(long, required_if_eq("bank_side", "written"))]
    bank_journal: Option<String>,
    /// Who writes the bank's side of payouts: we, or the bank's feed or statements.
    #[arg(long, value_enum, default_value_t = BankSide::Fed, default_value_if("bank_journal", ArgPredicate::IsPresent, "written"))]
    bank_side: BankSide,
    /// What becomes of the invoice of a lost dispute.
    #[arg(long, value_enum, default_value_t = Lost::Reopen)]
    lost_disputes: Lost,
    /// The purchase tax that Stripe's fees bear, by its name or id, so that tax reports show it: `none` for none. Where nothing is
    /// said, that which was mapped before.
    #[arg(long)]
    fee_tax: Option<String>,
    /// Take back the sale of a refund by a credit note: `--credit-notes`, or `--credit-notes=off`. Where nothing is said, as before;
    /// off at first.
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    credit_notes: Option<Switch>,
    /// Make what is missing, and book there from then on.
    #[arg(long)]
    apply: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BankSide {
    /// We write it.
    Written,
    /// The bank's feed or statements do.
    Fed,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// A refund makes one.
    On,
    /// The bookkeeper does, where one is due.
    Off,
}

#[derive(Clone, Copy, ValueEnum)]
enum Lost {
    /// The customer owes it again.
    Reopen,
    /// It stays paid: the loss is an expense.
    WriteOff,
}

impl Setup {
    fn wanted(self) -> Wanted {
        let mut accounts: BTreeMap<Role, String> = self.account.into_iter().collect();
        if let Some(code) = self.fee_tax_account {
            accounts.insert(Role::Ledger(LedgerAccount::FeeTax), code);
        }
        Wanted {
            currencies: self.currency,
            company: self.company,
            journals: self.journal,
            accounts,
            general_journal: self.general_journal,
            bank_journal: self.bank_journal.filter(|_| self.bank_side == BankSide::Written),
            lost_disputes: match self.lost_disputes {
                Lost::Reopen => LostDisputes::Reopen,
                Lost::WriteOff => LostDisputes::WriteOff,
            },
            fee_tax: self.fee_tax.map(|tax| match tax.as_str() {
                "none" => TaxChoice::None,
                _ => TaxChoice::Named(tax),
            }),
            credit_notes: self.credit_notes.map(|switch| switch == Switch::On),
        }
    }
}

fn named_journal(text: &str) -> Result<(Currency, String), String> {
    let (currency, code) = text
        .split_once('=')
        .ok_or("must be a currency and a journal, such as EUR=STRP")?;
    let currency = currency
        .parse()
        .map_err(|error: CurrencyError| error.to_string())?;
    Ok((currency, code.to_owned()))
}

fn named_account(text: &str) -> Result<(Role, String), String> {
    let (role, code) = text
        .split_once('=')
        .ok_or("must be a purpose and an account, such as fees=621000")?;
    let role = word(role).map_err(|_| format!("there is no purpose {role}"))?;
    Ok((role, code.to_owned()))
}

pub(super) async fn run(app: &App, command: OdooCommand) -> anyhow::Result<Value> {
    match command {
        OdooCommand::Setup(setup) => {
            let (merchant, instance, account) = (setup.merchant, setup.odoo_instance, setup.provider_account);
            let apply = setup.apply;
            let report = odoo_setup::set_up(app, merchant, instance, account, setup.wanted(), apply).await?;
            let mut shown = serde_json::to_value(&report)?;
            shown["ok"] = report.problems.is_empty().into();
            shown["mapped"] = (apply && report.is_complete()).into();
            Ok(shown)
        }
        OdooCommand::Check {
            merchant,
            odoo_instance,
        } => {
            let checked = odoo_setup::check(app, merchant, odoo_instance).await?;
            let journals: Vec<Value> = checked
                .iter()
                .map(|seen| {
                    json!({
                        "provider_account": seen.account,
                        "currency": seen.currency,
                        "journal_id": seen.journal_id,
                        "findings": seen.findings,
                    })
                })
                .collect();
            let ok = checked.iter().all(|seen| seen.findings.is_empty());
            Ok(json!({ "ok": ok, "journals": journals }))
        }
    }
}
