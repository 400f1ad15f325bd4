//! What a company has: its currencies, accounts and journals, archived ones too, with the names that imports know them by.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::sink::SinkError;

use super::super::client::Database;
use super::super::error::{refused, unreachable};
use super::super::wire::Link;
use super::taxes::Tax;

/// A company as it stands now.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) company: Company,
    pub(super) accounts: Vec<Account>,
    pub(super) journals: Vec<Journal>,
    pub(super) lines: Vec<MethodLine>,
    pub(super) currencies: Vec<KnownCurrency>,
    /// Those on purchases, where they were asked for.
    pub(super) taxes: Vec<Tax>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Company {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) currency_id: Link,
    /// Where money is on its way from one journal to another.
    pub(super) transfer_account_id: Link,
    pub(super) account_journal_suspense_account_id: Link,
    pub(super) expense_currency_exchange_account_id: Link,
}

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) id: i64,
    code: Text,
    pub(super) name: String,
    #[serde(rename = "account_type")]
    pub(super) kind: String,
    pub(super) reconcile: bool,
    /// Odoo 19 archives accounts, earlier ones deprecate them.
    #[serde(default)]
    active: Option<bool>,
    #[serde(default)]
    deprecated: Option<bool>,
    #[serde(skip)]
    pub(super) external_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Journal {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) code: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) active: bool,
    pub(super) default_account_id: Link,
    pub(super) suspense_account_id: Link,
    currency_id: Link,
    #[serde(skip)]
    pub(super) external_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct MethodLine {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) payment_type: String,
    pub(super) journal_id: Link,
    pub(super) payment_account_id: Link,
}

#[derive(Debug, Deserialize)]
pub(super) struct KnownCurrency {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) rate_ids: Vec<i64>,
}

/// A text, or `false` where there is none.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Text {
    Is(String),
    Nothing(bool),
}

impl Account {
    pub(super) fn code(&self) -> &str {
        match &self.code {
            Text::Is(code) => code,
            Text::Nothing(_) => "",
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.active.unwrap_or(true) && !self.deprecated.unwrap_or(false)
    }

    /// What a bookkeeper calls it.
    pub(super) fn words(&self) -> String {
        format!("account {} {}", self.code(), self.name)
    }
}

impl Journal {
    /// What it holds: its own currency, or its company's.
    pub(super) fn currency<'a>(&'a self, company: &'a Company) -> &'a str {
        if self.currency_id.id().is_some() {
            self.currency_id.name()
        } else {
            company.currency_id.name()
        }
    }
}

/// The company of a name, or the only one there is.
pub(super) async fn find_company(odoo: &Database<'_>, name: Option<&str>) -> Result<i64, SinkError> {
    #[derive(Deserialize)]
    struct Named {
        id: i64,
        name: String,
    }
    let mut found: Vec<Named> = odoo.search("res.company", json!([]), &["name"]).await?;
    if let Some(name) = name {
        found.retain(|company| company.name == name);
    }
    match found.as_slice() {
        [company] => Ok(company.id),
        [] => Err(refused(format!(
            "the key's user has no company called {}",
            name.unwrap_or_default()
        ))),
        several => {
            let names: Vec<&str> = several.iter().map(|company| company.name.as_str()).collect();
            Err(refused(format!(
                "the key's user has several companies: name one with --company ({})",
                names.join(", ")
            )))
        }
    }
}

impl Chart {
    /// Reads the company in which `odoo` acts.
    pub(super) async fn read(odoo: &Database<'_>, company_id: i64) -> Result<Self, SinkError> {
        let fields = [
            "name",
            "currency_id",
            "transfer_account_id",
            "account_journal_suspense_account_id",
            "expense_currency_exchange_account_id",
        ];
        let companies: Vec<Company> = odoo
            .search("res.company", json!([["id", "=", company_id]]), &fields)
            .await?;
        let company = companies
            .into_iter()
            .next()
            .ok_or_else(|| unreachable("the company cannot be read"))?;
        let fields = [
            "name",
            "code",
            "type",
            "active",
            "default_account_id",
            "suspense_account_id",
            "currency_id",
        ];
        let mut journals: Vec<Journal> = all(odoo, "account.journal", &fields).await?;
        let ids: Vec<i64> = journals.iter().map(|journal| journal.id).collect();
        let mut names = external_ids(odoo, "account.journal", &ids).await?;
        for journal in &mut journals {
            journal.external_id = names.remove(&journal.id.to_string()).unwrap_or_default();
        }
        let domain = json!([["journal_id", "in", ids]]);
        let fields = ["name", "payment_type", "journal_id", "payment_account_id"];
        Ok(Self {
            company,
            accounts: accounts(odoo).await?,
            journals,
            lines: odoo
                .search("account.payment.method.line", domain, &fields)
                .await?,
            currencies: all(odoo, "res.currency", &["name", "active", "rate_ids"]).await?,
            taxes: Vec::new(),
        })
    }

    pub(super) fn account(&self, id: Option<i64>) -> Option<&Account> {
        self.accounts.iter().find(|account| Some(account.id) == id)
    }

    pub(super) fn journal(&self, id: i64) -> Option<&Journal> {
        self.journals.iter().find(|journal| journal.id == id)
    }

    /// A journal in a bookkeeper's words.
    pub(super) fn journal_words(journal: &Journal) -> String {
        format!("journal {} {}", journal.code, journal.name)
    }

    /// Whether payments can wait on an account for their line in a journal.
    pub(super) fn can_wait(&self, account: Option<i64>, journal: &Journal) -> bool {
        account != journal.default_account_id.id()
            && self.account(account).is_some_and(|account| {
                account.reconcile && account.kind != "asset_cash" && account.is_active()
            })
    }

    /// The codes of several accounts at once: Odoo lets that happen where two are made at the same moment.
    pub(super) fn doubled_codes(&self, ids: &BTreeSet<i64>) -> Vec<String> {
        let of = |code: &str| {
            self.accounts
                .iter()
                .filter(|account| account.code() == code)
                .count()
        };
        let codes = self
            .accounts
            .iter()
            .filter(|account| ids.contains(&account.id) && !account.code().is_empty())
            .map(|account| account.code().to_owned());
        codes.filter(|code| of(code) > 1).collect()
    }
}

async fn accounts(odoo: &Database<'_>) -> Result<Vec<Account>, SinkError> {
    const MODEL: &str = "account.account";
    let asked = json!({ "allfields": ["active", "deprecated"], "attributes": ["type"] });
    let flags: BTreeMap<String, Value> = odoo.call(MODEL, "fields_get", asked).await?;
    let mut fields = vec!["code", "name", "account_type", "reconcile"];
    fields.extend(flags.keys().map(String::as_str));
    let mut found: Vec<Account> = all(odoo, MODEL, &fields).await?;
    let ids: Vec<i64> = found.iter().map(|account| account.id).collect();
    let mut names = external_ids(odoo, MODEL, &ids).await?;
    for account in &mut found {
        account.external_id = names.remove(&account.id.to_string()).unwrap_or_default();
    }
    Ok(found)
}

/// All records of a model, archived ones too.
pub(super) async fn all<T: serde::de::DeserializeOwned>(
    odoo: &Database<'_>,
    model: &str,
    fields: &[&str],
) -> Result<Vec<T>, SinkError> {
    let asked = json!({ "domain": [], "fields": fields, "order": "id", "context": { "active_test": false } });
    odoo.call(model, "search_read", asked).await
}

/// The name under which each record was imported; empty where it was not. The table of these names is an administrator's to
/// read, this method is everybody's.
async fn external_ids(
    odoo: &Database<'_>,
    model: &str,
    ids: &[i64],
) -> Result<BTreeMap<String, String>, SinkError> {
    odoo.call(model, "get_external_id", json!({ "ids": ids })).await
}
