//! However often a posting is sent, the books hold it once.

use std::time::Duration;

use futures::future::join_all;
use quittance::domain::posting::Posting;
use quittance::sink::SinkError;
use quittance_sandbox::faults::{Fault, Matcher};

use super::support::{Balances, Odoo, Sale, send, sink};

/// The books after a payment of 121.00 and its charge.
fn paid() -> Balances {
    Balances {
        payments: 1,
        lines: 1,
        outstanding: 0,
        journal: 11_893,
        fees: 207,
        receivable: 0,
        invoice: "paid".to_owned(),
    }
}

/// The books after that payment was refunded in full: the sale stands until a credit note says otherwise.
fn refunded() -> Balances {
    Balances {
        payments: 2,
        lines: 2,
        journal: -207,
        receivable: 12_100,
        ..paid()
    }
}

async fn send_all(odoo: &Odoo, sale: &Sale) {
    for posting in sale.whole() {
        odoo.send(&posting).await.unwrap();
    }
}

#[tokio::test]
async fn a_paid_charge_leaves_outstanding_empty_and_gross_minus_fee_in_the_journal() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;

    odoo.send(&sale.payment()).await.unwrap();
    let waiting = odoo.balances(&sale).await;
    odoo.send(&sale.charge_line()).await.unwrap();

    assert_eq!(
        waiting,
        Balances {
            lines: 0,
            outstanding: 12_100,
            journal: 0,
            fees: 0,
            ..paid()
        }
    );
    assert_eq!(odoo.balances(&sale).await, paid());
}

#[tokio::test]
async fn a_full_refund_leaves_outstanding_empty_and_the_fee_missing_from_the_journal() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;

    send_all(&odoo, &sale).await;

    assert_eq!(odoo.balances(&sale).await, refunded());
}

#[tokio::test]
async fn a_payment_that_settles_no_document_waits_on_the_receivable_and_meets_its_charge() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    let mut payment = sale.payment();
    if let Posting::CustomerPayment { settles, .. } = &mut payment {
        settles.clear();
    }

    for posting in [payment.clone(), sale.charge_line(), payment, sale.charge_line()] {
        odoo.send(&posting).await.unwrap();
    }

    let expected = Balances {
        invoice: "not_paid".to_owned(),
        ..paid()
    };
    assert_eq!(odoo.balances(&sale).await, expected);
}

#[tokio::test]
async fn posting_everything_twice_changes_nothing() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;

    send_all(&odoo, &sale).await;
    let once = odoo.balances(&sale).await;
    let records = odoo.send(&sale.charge_line()).await.unwrap();
    send_all(&odoo, &sale).await;

    assert_eq!(odoo.balances(&sale).await, once);
    assert_eq!(odoo.send(&sale.charge_line()).await.unwrap(), records);
}

#[tokio::test]
async fn eight_at_once_leave_one_payment_and_one_pair_of_lines() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;

    for posting in sale.whole() {
        let answers = join_all((0..8).map(|_| odoo.send(&posting))).await;
        let posted: Vec<_> = answers.into_iter().filter_map(settled).collect();
        assert!(
            posted.windows(2).all(|pair| pair[0] == pair[1]),
            "different records for one posting"
        );
        odoo.send(&posting).await.unwrap();
    }

    assert_eq!(odoo.balances(&sale).await, refunded());
}

/// A success; or nothing, where the only thing that went wrong is that others were busy with the same.
fn settled<T>(answer: Result<T, SinkError>) -> Option<T> {
    match answer {
        Ok(posted) => Some(posted),
        Err(SinkError::Unreachable { .. }) => None,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_answer_lost_after_the_effect_and_sent_again_leaves_one() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;

    for posting in sale.whole() {
        if let Some(pretend) = odoo.pretend() {
            for method in ["load", "action_post", "reconcile"] {
                for fault in [
                    Fault::ResetAfter,
                    Fault::CutAfter,
                    Fault::ErrorAfter,
                    Fault::Garbage,
                ] {
                    pretend
                        .faults()
                        .next(Matcher::path(&format!("/*/*/*/{method}")), fault);
                }
            }
            while settled(odoo.send(&posting).await).is_none() {}
            pretend.faults().clear();
        } else {
            for wait in [5, 10, 20, 40, 60, 80, 120, 160, 240] {
                let sink = sink(Duration::from_millis(wait));
                settled(send(&sink, &odoo.instance, &posting).await);
            }
            odoo.send(&posting).await.unwrap();
        }
    }

    assert_eq!(odoo.balances(&sale).await, refunded());
}

#[tokio::test]
async fn a_lost_answer_is_told_as_unreachable_within_the_timeout() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    let Some(pretend) = odoo.pretend() else { return };
    let sink = sink(Duration::from_millis(200));

    pretend
        .faults()
        .next(Matcher::path("/*/*/account.payment/load"), Fault::TimeoutAfter);
    let lost = send(&sink, &odoo.instance, &sale.payment()).await;
    odoo.send(&sale.payment()).await.unwrap();

    assert!(matches!(lost, Err(SinkError::Unreachable { .. })), "{lost:?}");
    assert_eq!(odoo.balances(&sale).await.payments, 1);
}
