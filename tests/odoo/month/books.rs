//! The trial balance: account by account, Odoo holds what the ledger does.

use std::collections::BTreeMap;

use quittance::domain::ledger::LedgerAccount;
use quittance::domain::money::Currency;
use serde_json::{Value, json};

use super::super::support::{first, minor};
use super::sales::Sales;
use super::world::World;

/// Minor units by account of Odoo and currency.
type Balances = BTreeMap<(i64, String), i64>;

impl World {
    /// Debits are credits, and every account of Odoo holds what the ledger does on those that are kept there.
    pub(super) async fn judge_accounts(&self, sales: &Sales) {
        assert_eq!(
            self.sum_of_all().await,
            0,
            "debits without credits in the company's currency"
        );
        let ledger = self.ledger().await;
        let (expected, booked) = (self.mapped(&ledger), self.booked().await);
        assert_eq!(booked, expected, "{ledger:?}");
        let customers: Balances = expected
            .iter()
            .filter(|((account, _), _)| self.outstanding().contains(account))
            .map(|(place, minor)| (place.clone(), -minor))
            .collect();
        assert_eq!(self.waited().await, customers);
        if self.company_currency == "EUR" {
            let items = self.exchanged(sales).await;
            let of_item = |item: &Value| minor(&item["balance"], "EUR".parse().unwrap());
            let exchanged: i64 = items.iter().map(of_item).sum();
            assert_eq!(
                exchanged,
                self.exchanged_by_ledger(&ledger).await,
                "{}",
                json!(items)
            );
        }
    }

    /// What the ledger holds. What came from the bank or went there otherwise than by a payout, as a top-up does, is no entry of the bank's
    /// journal: it waits on the way for that.
    async fn ledger(&self) -> Vec<(String, String, i64)> {
        sqlx::query_as(
            "select case when account = 'bank' and t.source !~ '^(paid|returned):' then 'in_transit' else account end as place,
                 currency, sum(amount_minor)::bigint
             from ledger_entry e join ledger_transaction t on t.merchant_id = e.merchant_id and t.id = e.transaction_id
             group by place, currency order by currency, place",
        )
        .fetch_all(&self.test.db)
        .await
        .unwrap()
    }

    /// What all posted entries of the company leave in its currency.
    async fn sum_of_all(&self) -> i64 {
        let posted = json!([["parent_state", "=", "posted"]]);
        let items = self.door.search("account.move.line", posted, &["balance"]).await;
        let currency: Currency = self.company_currency.parse().unwrap();
        items.iter().map(|item| minor(&item["balance"], currency)).sum()
    }

    /// What the ledger's accounts come to where Odoo keeps them. Fx is what Odoo posts by itself, and what was lost is the customers'.
    fn mapped(&self, ledger: &[(String, String, i64)]) -> Balances {
        let mut mapped = Balances::new();
        for (word, code, minor) in ledger {
            let books = &self.books[code];
            let account: LedgerAccount = serde_json::from_value(json!(word)).unwrap();
            let id = match account {
                LedgerAccount::Fx | LedgerAccount::DisputeLosses => continue,
                LedgerAccount::ProviderBalance => books.journal_account_id,
                LedgerAccount::ReceivableClearing => self.outstanding()[0],
                LedgerAccount::Fees => books.fee_account_id,
                // Where the bank's feed writes its side, it stands on the way until then.
                LedgerAccount::Bank => books
                    .bank
                    .as_ref()
                    .map_or(books.accounts[&LedgerAccount::InTransit], |bank| bank.account_id),
                other @ (LedgerAccount::FeeTax
                | LedgerAccount::Disputes
                | LedgerAccount::DisputeFees
                | LedgerAccount::InTransit
                | LedgerAccount::Reserve
                | LedgerAccount::Transfers
                | LedgerAccount::Financing
                | LedgerAccount::Contributions
                | LedgerAccount::Issuing
                | LedgerAccount::Opening
                | LedgerAccount::Suspense) => books.accounts[&other],
            };
            *mapped.entry((id, code.clone())).or_default() += minor;
        }
        mapped.retain(|_, minor| *minor != 0);
        mapped
    }

    /// What the transactions of the ledger left on Odoo's accounts, but for what customers owe.
    async fn booked(&self) -> Balances {
        let sources: Vec<String> = sqlx::query_scalar(
            "select unnest(array[posting ->> 'source', (posting ->> 'label') || ' (' || (posting ->> 'source') || ')'])
             from outbox_message where posting ->> 'kind' = 'booking'",
        )
        .fetch_all(&self.test.db)
        .await
        .unwrap();
        let domain = json!([
            ["move_id.ref", "in", sources],
            ["payment_id", "=", false],
            ["parent_state", "=", "posted"],
            ["account_type", "!=", "asset_receivable"],
        ]);
        self.sum(domain).await
    }

    /// What customers' payments and refunds left where they wait for their lines.
    async fn waited(&self) -> Balances {
        let domain = json!([
            ["journal_id", "in", self.journals()],
            ["payment_id", "!=", false],
            ["parent_state", "=", "posted"],
            ["account_id", "in", self.outstanding()],
        ]);
        self.sum(domain).await
    }

    async fn sum(&self, domain: Value) -> Balances {
        let fields = ["account_id", "currency_id", "amount_currency"];
        let (outstanding, mut sums) = (self.outstanding(), Balances::new());
        for item in self.door.search("account.move.line", domain, &fields).await {
            let account = first(&item["account_id"]);
            let account = if outstanding.contains(&account) {
                outstanding[0]
            } else {
                account
            };
            let code = item["currency_id"][1].as_str().unwrap();
            let amount = minor(&item["amount_currency"], code.parse().unwrap());
            *sums.entry((account, code.to_owned())).or_default() += amount;
        }
        sums.retain(|_, minor| *minor != 0);
        sums
    }

    /// What Odoo posted as gain and loss of exchange when items of these customers met.
    async fn exchanged(&self, sales: &Sales) -> Vec<Value> {
        let fields = [
            "income_currency_exchange_account_id",
            "expense_currency_exchange_account_id",
        ];
        let company = &self.door.search("res.company", json!([]), &fields).await[0];
        let domain = json!([
            ["account_id", "in", fields.map(|field| first(&company[field]))],
            ["partner_id", "in", sales.partners()],
            ["parent_state", "=", "posted"],
        ]);
        let fields = ["date", "move_id", "name", "partner_id", "account_id", "balance"];
        self.door.search("account.move.line", domain, &fields).await
    }

    /// What is left of both sides of Fx, and of disputes in which what the customer owes again is worth other than what was taken. There
    /// is no rate of dollars in this Odoo: one is one euro.
    async fn exchanged_by_ledger(&self, ledger: &[(String, String, i64)]) -> i64 {
        let fx = ledger.iter().filter(|(account, ..)| account == "fx");
        let lost: i64 = sqlx::query_scalar(
            "select coalesce(sum(e.amount_minor - p.amount_minor), 0)::bigint from ledger_entry e
             join ledger_transaction t on t.merchant_id = e.merchant_id and t.id = e.transaction_id
             join payment p on p.merchant_id = t.merchant_id and p.id = t.payment_id
             where e.account = 'dispute_losses' and p.currency <> e.currency",
        )
        .fetch_one(&self.test.db)
        .await
        .unwrap();
        fx.map(|(.., minor)| minor).sum::<i64>() + lost
    }
}
