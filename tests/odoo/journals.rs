//! The journals and accounts that set-up finds or makes.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use quittance::domain::ids::ProviderAccountId;
use quittance::domain::ledger::LedgerAccount;
use quittance::sink::{
    Books, Journals, LostDisputes, Role, RpcAccess, SetUpReport, SetUpRequest, Sink, SinkError, StepState,
};
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::odoo::{Options, PretendOdoo};
use serde_json::{Value, json};

use super::support::{Balances, Odoo, sink};

/// All that two currencies of a new account need.
pub(super) fn request(currencies: &[&str]) -> SetUpRequest {
    SetUpRequest {
        provider: "Stripe".to_owned(),
        account: ProviderAccountId::generate(),
        currencies: currencies.iter().map(|code| code.parse().unwrap()).collect(),
        with_company_currency: false,
        company: None,
        known_journals: BTreeMap::new(),
        journals: BTreeMap::new(),
        accounts: BTreeMap::new(),
        general_journal: None,
        bank_journal: Some("BNK1".to_owned()),
        lost_disputes: LostDisputes::WriteOff,
        fee_tax: None,
        credit_notes: None,
    }
}

/// An instance that was added with nothing but its key.
fn bare(odoo: &Odoo) -> RpcAccess {
    RpcAccess {
        journals: Journals::default(),
        ..odoo.access().clone()
    }
}

async fn set_up(odoo: &Odoo, request: &SetUpRequest, apply: bool) -> Result<SetUpReport, SinkError> {
    let sink = sink(Duration::from_secs(30));
    sink.set_up_journals(&odoo.instance.url, &bare(odoo), request, apply)
        .await
}

async fn check(odoo: &Odoo, books: &Books) -> Vec<String> {
    let sink = sink(Duration::from_secs(30));
    sink.check_journal(&odoo.instance.url, &bare(odoo), books)
        .await
        .unwrap()
}

/// What there is to make: currencies that are in use, accounts, and journals.
async fn things(odoo: &Odoo) -> [usize; 3] {
    let count = async |model| odoo.search(model, json!([]), &["name"]).await.len();
    [
        count("res.currency").await,
        count("account.account").await,
        count("account.journal").await,
    ]
}

fn states(report: &SetUpReport, state: StepState) -> Vec<&str> {
    let steps = report.steps.iter().filter(|step| step.state == state);
    steps.map(|step| step.purpose.as_str()).collect()
}

#[tokio::test]
async fn a_dry_run_says_what_is_missing_and_changes_nothing() {
    let odoo = Odoo::open().await;
    let request = request(&["EUR", "JPY"]);
    let before = things(&odoo).await;

    let report = set_up(&odoo, &request, false).await.unwrap();
    let again = set_up(&odoo, &request, false).await.unwrap();

    let missing = states(&report, StepState::ToMake);
    for purpose in [
        "what Stripe holds in EUR",
        "what Stripe holds in JPY",
        "payments in JPY",
        "refunds in EUR",
    ] {
        assert!(missing.contains(&purpose), "{purpose}: {missing:?}");
    }
    assert!(
        report.problems.is_empty() && report.books.is_empty(),
        "{report:#?}"
    );
    if odoo.pretend().is_some() {
        assert!(missing.contains(&"what is settled in JPY"));
        assert!(missing.contains(&"what the provider charges for its service"));
        let whats: Vec<&str> = report.steps.iter().map(|step| step.what.as_str()).collect();
        assert!(
            whats.contains(&"account 641001 Stripe Fees (expense)"),
            "{whats:#?}"
        );
        assert!(
            whats.contains(&"journal STREU Stripe EUR (bank, EUR, with an account of its own)"),
            "{whats:#?}"
        );
        assert!(whats.contains(&"account 101701 Liquidity Transfer"), "{whats:#?}");
        assert_eq!(things(&odoo).await, before);
        assert_eq!(report, again);
    }
}

#[tokio::test]
async fn applied_it_makes_all_that_is_missing_and_again_makes_nothing() {
    let odoo = Odoo::open().await;
    let request = request(&["EUR", "JPY"]);

    let made = set_up(&odoo, &request, true).await.unwrap();
    let between = things(&odoo).await;
    let again = set_up(&odoo, &request, true).await.unwrap();

    assert!(made.is_complete(), "{made:#?}");
    assert!(states(&made, StepState::Made).contains(&"what Stripe holds in JPY"));
    assert_eq!(states(&again, StepState::Made), Vec::<&str>::new());
    assert_eq!(again.books, made.books);
    if odoo.pretend().is_some() {
        assert_eq!(things(&odoo).await, between);
    }
    let [(_, euro), (_, yen)] = made.books.as_slice() else {
        panic!("two currencies: {:?}", made.books);
    };
    assert_eq!((euro.currency.as_str(), yen.currency.as_str()), ("EUR", "JPY"));
    assert_ne!(euro.journal_account_id, yen.journal_account_id);
    assert_eq!(euro.outstanding_receipts_id, yen.outstanding_receipts_id);
    assert_ne!(euro.outstanding_receipts_id, euro.outstanding_payments_id);
    assert_eq!(euro.company_currency.as_deref(), Some("EUR"));
    assert!(euro.bank.is_some() && euro.general_journal_id.is_some());
    for account in [
        LedgerAccount::Fees,
        LedgerAccount::FeeTax,
        LedgerAccount::Disputes,
        LedgerAccount::DisputeFees,
        LedgerAccount::DisputeLosses,
        LedgerAccount::Fx,
        LedgerAccount::InTransit,
        LedgerAccount::Bank,
        LedgerAccount::Reserve,
        LedgerAccount::Transfers,
        LedgerAccount::Financing,
        LedgerAccount::Contributions,
        LedgerAccount::Issuing,
        LedgerAccount::Opening,
        LedgerAccount::Suspense,
    ] {
        assert!(euro.accounts.contains_key(&account), "{account:?}");
    }
    for books in [euro, yen] {
        assert_eq!(check(&odoo, books).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn several_at_once_make_one_of_each() {
    let odoo = Odoo::open().await;
    let request = request(&["EUR", "JPY"]);
    let before = things(&odoo).await;

    let answers = join_all((0..4).map(|_| set_up(&odoo, &request, true))).await;

    let last = set_up(&odoo, &request, true).await.unwrap();
    assert!(last.is_complete(), "{last:#?}");
    for answer in answers {
        match answer {
            Ok(report) => assert_eq!(report.books, last.books),
            Err(SinkError::Unreachable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    if odoo.pretend().is_some() {
        let [_, accounts, journals] = things(&odoo).await;
        assert_eq!(journals, before[2] + 2);
        let alone = Odoo::open().await;
        set_up(&alone, &request, true).await.unwrap();
        assert_eq!(accounts, things(&alone).await[1]);
    }
}

#[tokio::test]
async fn ended_in_the_middle_it_is_completed_by_the_next_run() {
    let odoo = Odoo::open().await;
    let request = request(&["EUR", "JPY"]);

    if let Some(pretend) = odoo.pretend() {
        for call in [
            "res.currency/write",
            "account.account/load",
            "account.journal/load",
            "account.payment.method.line/write",
        ] {
            for fault in [
                Fault::ResetBefore,
                Fault::ResetAfter,
                Fault::CutAfter,
                Fault::ErrorAfter,
            ] {
                pretend
                    .faults()
                    .next(Matcher::path(&format!("/*/*/{call}")), fault);
            }
        }
        let mut runs = 0;
        while let Err(error) = set_up(&odoo, &request, true).await {
            assert!(matches!(error, SinkError::Unreachable { .. }), "{error}");
            runs += 1;
        }
        assert!(runs > 10, "only {runs} runs failed");
    } else {
        for wait in [40, 80, 120, 200, 300, 500] {
            let sink = sink(Duration::from_millis(wait));
            let _ended = sink
                .set_up_journals(&odoo.instance.url, &bare(&odoo), &request, true)
                .await;
        }
    }

    let last = set_up(&odoo, &request, true).await.unwrap();
    assert!(last.is_complete(), "{last:#?}");
    for (_, books) in &last.books {
        assert_eq!(check(&odoo, books).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_account_of_a_wrong_type_is_refused_in_words_and_nothing_is_made() {
    let odoo = Odoo::open().await;
    let mut request = request(&["EUR"]);
    request
        .accounts
        .insert(Role::Ledger(LedgerAccount::Fees), "121000".to_owned());
    request
        .accounts
        .insert(Role::Ledger(LedgerAccount::Disputes), "400000".to_owned());
    request
        .accounts
        .insert(Role::OutstandingReceipts, "101401".to_owned());
    request
        .accounts
        .insert(Role::Ledger(LedgerAccount::Reserve), "nowhere".to_owned());
    let before = things(&odoo).await;

    let report = set_up(&odoo, &request, true).await.unwrap();

    let problems = report.problems.join("\n");
    for words in [
        "asset_receivable and must be expense",
        "is income and must be asset_current",
        "is asset_cash and must be asset_current",
        "no account has the code nowhere",
        "--account fees=CODE",
    ] {
        assert!(problems.contains(words), "{words}: {problems}");
    }
    assert!(!report.is_complete());
    if odoo.pretend().is_some() {
        assert_eq!(things(&odoo).await, before);
    }
}

#[tokio::test]
async fn accounts_and_journals_that_are_named_are_taken_as_they_are() {
    let odoo = Odoo::open().await;
    let mut request = request(&["EUR"]);
    request
        .accounts
        .insert(Role::Ledger(LedgerAccount::Fees), "621000".to_owned());
    request.journals.insert("EUR".to_owned(), "STRP".to_owned());

    let report = set_up(&odoo, &request, true).await.unwrap();

    let (_, books) = &report.books[0];
    let known = odoo.books();
    assert_eq!(
        (
            books.journal_id,
            books.fee_account_id,
            books.outstanding_receipts_id
        ),
        (
            known.journal_id,
            known.fee_account_id,
            known.outstanding_receipts_id
        )
    );
}

#[tokio::test]
async fn without_the_right_to_make_accounts_the_group_is_named_and_nothing_is_made() {
    let pretend = PretendOdoo::start(Options {
        may_set_up: false,
        ..Options::default()
    })
    .await
    .unwrap();
    let access = RpcAccess {
        database: pretend.database(),
        login: None,
        api_key: pretend.api_key().into(),
        journals: Journals::default(),
    };
    let (sink, url) = (sink(Duration::from_secs(5)), pretend.url().parse().unwrap());

    sink.check_key(&url, &access).await.unwrap();
    let report = sink
        .set_up_journals(&url, &access, &request(&["EUR"]), true)
        .await
        .unwrap();

    let [problem] = report.problems.as_slice() else {
        panic!("one problem: {:?}", report.problems);
    };
    assert!(
        problem.contains("account.group_account_manager") && problem.contains("create account.journal"),
        "{problem}"
    );
    assert_eq!(states(&report, StepState::Made), Vec::<&str>::new());
}

/// Changes records of Odoo behind our back, and back again.
async fn write(odoo: &Odoo, model: &str, id: i64, vals: Value) {
    odoo.call(&format!("{model}/write"), json!({ "ids": [id], "vals": vals }))
        .await;
}

#[tokio::test]
async fn a_look_says_what_does_not_fit_any_more_and_is_quiet_once_it_does() {
    let odoo = Odoo::open().await;
    let report = set_up(&odoo, &request(&["EUR"]), true).await.unwrap();
    let (_, books) = &report.books[0];
    let methods = "account.payment.method.line";
    let own = json!({ "payment_account_id": books.journal_account_id });
    let right = json!({ "payment_account_id": books.outstanding_receipts_id });
    let cases = [
        (
            methods,
            books.inbound_method_line_id,
            own,
            right.clone(),
            "the journal's own account",
        ),
        (
            methods,
            books.inbound_method_line_id,
            json!({ "payment_account_id": false }),
            right,
            "waits on nothing",
        ),
        (
            "account.journal",
            books.journal_id,
            json!({ "active": false }),
            json!({ "active": true }),
            "is archived",
        ),
    ];

    for (model, id, wrong, right, words) in cases {
        write(&odoo, model, id, wrong).await;
        let found = check(&odoo, books).await;
        write(&odoo, model, id, right).await;
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        assert_eq!(check(&odoo, books).await, Vec::<String>::new());
    }
    if odoo.pretend().is_some() {
        let (disputes, receipts) = (
            books.accounts[&LedgerAccount::Disputes],
            books.outstanding_receipts_id,
        );
        for (id, field, words) in [
            (disputes, "active", "Disputes is archived"),
            (disputes, "reconcile", "must allow reconciliation"),
            (receipts, "reconcile", "must be active, allow reconciliation"),
        ] {
            write(&odoo, "account.account", id, json!({ field: false })).await;
            let found = check(&odoo, books).await;
            write(&odoo, "account.account", id, json!({ field: true })).await;
            assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        }
    }
    let other = Books {
        currency: "JPY".to_owned(),
        ..books.clone()
    };
    assert!(check(&odoo, &other).await[0].contains("holds EUR and not JPY"));
}

#[tokio::test]
async fn postings_work_in_a_journal_that_was_made_in_either_currency() {
    let mut odoo = Odoo::open().await;
    let report = set_up(&odoo, &request(&["EUR", "JPY"]), true).await.unwrap();

    for (currency, books) in report.books {
        odoo.instance = super::support::with(&odoo.instance, |access| {
            access.journals = Journals::new([], Some(books));
        });
        let sale = match currency.code() {
            "JPY" => odoo.sale_in("JPY").await,
            _ => odoo.sale().await,
        };
        for posting in [sale.payment(), sale.charge_line(), sale.charge_line()] {
            odoo.send(&posting).await.unwrap();
        }
        let expected = Balances {
            payments: 1,
            lines: 1,
            outstanding: 0,
            journal: 11_893,
            fees: 207,
            receivable: 0,
            invoice: "paid".to_owned(),
        };
        assert_eq!(odoo.balances(&sale).await, expected, "{currency}");
    }
}
