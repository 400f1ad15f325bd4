//! The methods that can be called.

use serde_json::{Map, Value, json};
use time::Date;
use time::macros::format_description;

use super::Version;
use super::books::Books;
use super::domain::Domain;
use super::error::{OdooError, load_message};
use super::load::Import;
use super::model::{Model, unknown_field};

/// The methods that change nothing.
const READS: [&str; 7] = [
    "search_read",
    "read",
    "read_group",
    "has_access",
    "default_get",
    "fields_get",
    "get_external_id",
];

/// What only those may change who administer the accounting.
const ADMINISTERED: [Model; 3] = [Model::Account, Model::Currency, Model::Journal];

/// One call, as it came over the wire.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) model: Model,
    pub(super) method: String,
    pub(super) arguments: Map<String, Value>,
    pub(super) version: Version,
    /// The generation of the books when it began.
    pub(super) begun: u64,
    /// Whether the user may write statement lines.
    pub(super) may_write_lines: bool,
    /// Whether the user may make accounts and journals.
    pub(super) may_set_up: bool,
    /// What every change is refused with, if so.
    pub(super) refusal: Option<String>,
}

impl Call {
    /// Carries it out. A call that fails has changed nothing.
    pub(super) fn run(&self, books: &mut Books) -> Result<Value, OdooError> {
        let unknown = || {
            let name = format!("{}.{}", self.model.name(), self.method);
            Err(OdooError::not_found(format!(
                "The method '{name}' does not exist"
            )))
        };
        if self.method.starts_with('_') {
            let name = format!("{}.{}", self.model.name(), self.method);
            let message = format!("Private methods (such as '{name}') cannot be called remotely.");
            return Err(OdooError::access(message));
        }
        if let Some(message) = self
            .refusal
            .as_ref()
            .filter(|_| !READS.contains(&self.method.as_str()))
        {
            return self.refused(message);
        }
        match (self.model, self.method.as_str()) {
            (_, "search_read") => self.search_read(books),
            (_, "read") => self.read(books),
            (Model::Item, "read_group") => self.read_group(books),
            (_, "has_access") => Ok(json!(self.may_write())),
            (Model::Partner, "default_get") => self.partner_defaults(books),
            (Model::Account | Model::Journal, "get_external_id") => self.external_ids(books),
            (Model::Account, "fields_get") => self.account_flags(),
            (
                Model::Account | Model::Journal | Model::Payment | Model::StatementLine | Model::Entry,
                "load",
            ) => self.load(books),
            (Model::Partner | Model::Journal | Model::Entry | Model::Tax, "create") => self.create(books),
            (
                Model::Account
                | Model::Company
                | Model::Currency
                | Model::Entry
                | Model::Journal
                | Model::MethodLine
                | Model::Tax,
                "write",
            ) => self.write(books),
            (Model::Payment, "action_post") => {
                for id in self.existing(books)? {
                    if self.version < Version::V18 && books.is_posted_payment(id) {
                        return Err(OdooError::user(format!("The entry (id {id}) must be in draft.")));
                    }
                    books.post_payment(id)?;
                }
                Ok(Value::Null)
            }
            (Model::Entry, "action_post") => {
                for id in self.existing(books)? {
                    books.post_invoice(id)?;
                }
                Ok(json!(false))
            }
            (Model::Item, "reconcile") => books.reconcile(&self.existing(books)?).map(|()| Value::Null),
            (Model::Partial, "unlink") => {
                let ids = self.existing(books)?;
                books.part(&ids);
                Ok(json!(true))
            }
            _ => unknown(),
        }
    }

    /// A rule of the books says no. Imports say it with status 200.
    fn refused(&self, message: &str) -> Result<Value, OdooError> {
        if self.method == "load" {
            return Ok(json!({"ids": false, "messages": [load_message(message, (0, 0))], "nextrow": 0}));
        }
        Err(OdooError::user(message))
    }

    pub(super) fn may_write(&self) -> bool {
        if self.model == Model::StatementLine {
            return self.may_write_lines;
        }
        self.may_set_up || !ADMINISTERED.contains(&self.model)
    }

    /// What a change is answered with that the user has no right to.
    pub(super) fn forbidden(&self) -> String {
        let model = self.model.name();
        format!("You are not allowed to change {model} records.\n\nContact your administrator.")
    }

    fn search_read(&self, books: &Books) -> Result<Value, OdooError> {
        if self.arguments.contains_key("ids") {
            let message = format!("cannot call {}.search_read with ids", self.model.name());
            return Err(OdooError::unprocessable(message));
        }
        let known = ["domain", "fields", "limit", "offset", "order", "context"];
        if let Some(other) = self.arguments.keys().find(|name| !known.contains(&name.as_str())) {
            let message = format!("BaseModel._read_format() got an unexpected keyword argument '{other}'");
            return Err(OdooError::argument(message));
        }
        let number = |name: &str| {
            self.arguments
                .get(name)
                .and_then(Value::as_u64)
                .map(usize::try_from)
        };
        let limit = number("limit").and_then(Result::ok).unwrap_or(usize::MAX);
        let offset = number("offset").and_then(Result::ok).unwrap_or_default();
        let domain = Domain::parse(self.arguments.get("domain").unwrap_or(&json!([])))?;
        domain.check(self.model)?;
        self.check_fields()?;
        let mut found = Vec::new();
        let all = self
            .arguments
            .get("context")
            .is_some_and(|context| context["active_test"] == false);
        for id in books.ids(self.model) {
            if !all && books.is_archived(self.model, id) {
                continue;
            }
            if domain.fits(books, self.model, id)? {
                found.push(id);
            }
        }
        let wanted = found.into_iter().skip(offset).take(limit);
        wanted
            .map(|id| self.show(books, id))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array)
    }

    /// The one grouping that is known: what items sum to, by currency.
    fn read_group(&self, books: &Books) -> Result<Value, OdooError> {
        let (fields, by) = (self.needed("fields")?, self.needed("groupby")?);
        if *fields != json!(["amount_currency:sum"]) || *by != json!(["currency_id"]) {
            return Err(OdooError::value("the pretend Odoo sums items by currency only"));
        }
        let domain = Domain::parse(self.needed("domain")?)?;
        domain.check(self.model)?;
        let mut sums: Vec<(Value, (i64, i64), usize)> = Vec::new();
        for (id, item) in books.items.iter() {
            if !domain.fits(books, self.model, id)? {
                continue;
            }
            let currency = books.read(self.model, id, "currency_id")?;
            match sums.iter_mut().find(|(known, ..)| *known == currency) {
                Some((_, (sum, _), count)) => {
                    *sum += item.minor;
                    *count += 1;
                }
                None => sums.push((currency, (item.minor, item.currency), 1)),
            }
        }
        let groups = sums.into_iter().map(|(currency, (sum, of), count)| {
            json!({
                "currency_id": currency, "currency_id_count": count, "amount_currency": books.money(sum, of),
                "__domain": [],
            })
        });
        Ok(groups.collect())
    }

    fn read(&self, books: &Books) -> Result<Value, OdooError> {
        self.check_fields()?;
        let ids = self.ids().into_iter().filter(|id| books.exists(self.model, *id));
        ids.map(|id| self.show(books, id))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array)
    }

    fn fields(&self) -> impl Iterator<Item = &str> {
        let fields = self.arguments.get("fields").and_then(Value::as_array);
        fields
            .into_iter()
            .flatten()
            .map(|field| field.as_str().unwrap_or_default())
    }

    fn check_fields(&self) -> Result<(), OdooError> {
        match self.fields().find(|field| !self.model.knows(field)) {
            Some(field) => Err(unknown_field(self.model, field)),
            None => Ok(()),
        }
    }

    fn show(&self, books: &Books, id: i64) -> Result<Value, OdooError> {
        let mut record = Map::from_iter([("id".to_owned(), json!(id))]);
        for field in self.fields() {
            record.insert(field.to_owned(), books.read(self.model, id, field)?);
        }
        Ok(Value::Object(record))
    }

    fn load(&self, books: &mut Books) -> Result<Value, OdooError> {
        if !self.may_write() {
            return self.refused(&self.forbidden());
        }
        let texts =
            |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(cell).collect() };
        let rows = self
            .needed("data")?
            .as_array()
            .into_iter()
            .flatten()
            .map(texts)
            .collect();
        let context = self.arguments.get("context").unwrap_or(&Value::Null);
        let fields = texts(self.needed("fields")?)
            .into_iter()
            .map(|field| self.newer_name(field))
            .collect();
        Import {
            model: self.model,
            fields,
            rows,
            context,
            begun: self.begun,
        }
        .run(books)
    }

    /// What a payment's field is called since 18.
    fn newer_name(&self, field: String) -> String {
        if self.version >= Version::V18 || self.model != Model::Payment {
            return field;
        }
        match field.as_str() {
            "ref" => "memo".to_owned(),
            "memo" => "no such field".to_owned(),
            _ => field,
        }
    }

    /// The name under which each record was imported; empty where it was not.
    fn external_ids(&self, books: &Books) -> Result<Value, OdooError> {
        let mut names = Map::new();
        for id in self.existing(books)? {
            let mut known = books.external_ids.iter();
            let name = known.find(|(_, known)| known.model == self.model.name() && known.id == id);
            names.insert(id.to_string(), json!(name.map_or("", |(name, _)| name)));
        }
        Ok(Value::Object(names))
    }

    /// Whether accounts are archived or deprecated: archived, as in Odoo 19.
    fn account_flags(&self) -> Result<Value, OdooError> {
        let asked = self.arguments.get("allfields").and_then(Value::as_array);
        let mut flags = Map::new();
        for field in asked.into_iter().flatten() {
            match field.as_str() {
                Some("active") => {
                    flags.insert("active".to_owned(), json!({ "type": "boolean" }));
                }
                Some("deprecated") => {}
                _ => {
                    return Err(OdooError::value(
                        "the pretend Odoo tells of 'active' and 'deprecated' only",
                    ));
                }
            }
        }
        Ok(Value::Object(flags))
    }

    /// The account on which customers owe who have none of their own: all of them here.
    fn partner_defaults(&self, books: &Books) -> Result<Value, OdooError> {
        let account = books.account("121000")?;
        Ok(match self.needed("fields")?.as_array() {
            Some(fields) if fields.contains(&json!("property_account_receivable_id")) => {
                json!({ "property_account_receivable_id": account })
            }
            _ => json!({}),
        })
    }

    fn write(&self, books: &mut Books) -> Result<Value, OdooError> {
        if !self.may_write() {
            return Err(OdooError::access(self.forbidden()));
        }
        let vals = self.needed("vals")?.as_object();
        for id in self.existing(books)? {
            for (field, value) in vals.into_iter().flatten() {
                self.set(books, id, field, value)?;
            }
        }
        books.generation += 1;
        Ok(json!(true))
    }

    fn set(&self, books: &mut Books, id: i64, field: &str, value: &Value) -> Result<(), OdooError> {
        let unknown = || {
            let message = format!("Invalid field '{field}' in '{}'", self.model.name());
            OdooError::value(message)
        };
        let flag = || value.as_bool().ok_or_else(unknown);
        match (self.model, field) {
            (Model::Company, "fiscalyear_lock_date") => {
                books.lock_date = value.as_str().map(day).transpose()?;
            }
            (Model::MethodLine, "payment_account_id") => {
                if let Some(line) = books.method_lines.get_mut(id) {
                    line.account = value.as_i64();
                }
            }
            (Model::Account, "active") => {
                let active = flag()?;
                if let Some(account) = books.accounts.get_mut(id) {
                    account.active = active;
                }
            }
            (Model::Account, "reconcile") => {
                let reconcile = flag()?;
                if let Some(account) = books.accounts.get_mut(id) {
                    account.reconcile = reconcile;
                }
            }
            (Model::Journal, "active") => {
                let active = flag()?;
                if let Some(journal) = books.journals.get_mut(id) {
                    journal.active = active;
                }
            }
            (Model::Entry, "line_ids") => {
                for command in value.as_array().ok_or_else(unknown)? {
                    let item = command[1].as_i64().ok_or_else(unknown)?;
                    let currency = books.items.get(item).map_or(books.currency, |item| item.currency);
                    let amount = cell(&command[2]["amount_currency"]);
                    books.set_tax(item, books.minor(&amount, currency).ok_or_else(unknown)?)?;
                }
            }
            (Model::Tax, "active") => {
                let active = flag()?;
                if let Some(tax) = books.taxes.get_mut(id) {
                    tax.active = active;
                }
            }
            (Model::Currency, "active") => {
                let active = flag()?;
                if let Some(currency) = books.currencies.get_mut(id) {
                    currency.active = active;
                }
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&Value, OdooError> {
        self.arguments
            .get(name)
            .ok_or_else(|| OdooError::unprocessable(format!("missing a required argument: '{name}'")))
    }

    fn ids(&self) -> Vec<i64> {
        let ids = self
            .arguments
            .get("ids")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        ids.filter_map(Value::as_i64).collect()
    }

    fn existing(&self, books: &Books) -> Result<Vec<i64>, OdooError> {
        let ids = self.ids();
        match ids.iter().find(|id| !books.exists(self.model, **id)) {
            Some(id) => Err(OdooError::missing(self.model.name(), *id)),
            None => Ok(ids),
        }
    }
}

/// The text of a cell; Odoo takes numbers too.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) => String::new(),
        other @ (Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
    }
}

pub(super) fn day(text: &str) -> Result<Date, OdooError> {
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map_err(|_| OdooError::value(format!("time data '{text}' does not match format '%Y-%m-%d'")))
}
