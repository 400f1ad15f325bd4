//! What comes to an end under load: replicas, the only server, Postgres.

use std::time::{Duration, Instant};

use quittance_containers::replica::Replica;
use quittance_containers::shop::{Asked, Crowd, Outcome, Shop};
use quittance_containers::stage::Stage;
use quittance_containers::wait::until;
use serde_json::Value;
use tokio::time::sleep;

use crate::{WITHIN, nothing_is_lost};

const CALLERS: usize = 6;
/// How many more payments are made before the next thing happens.
const SOME: usize = 15;
/// A replica goes on serving, once it was told to end, for so much less time than the chart says: this proxy is not far away.
const NEARER: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_are_replaced_under_load_and_no_caller_sees_an_error() {
    let stage = Stage::set().await.unwrap();
    let worker = stage.work().await.unwrap();
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(stage.serve().await.unwrap());
    }
    let crowd = Crowd::new(stage.shop_at(&stage.proxy.url()).unwrap(), "roll", CALLERS);
    let (asked, _replicas) = tokio::join!(crowd.ask(), async {
        let mut new = Vec::new();
        for old in replicas {
            some_more(&crowd).await;
            new.push(replace(&stage, old).await);
        }
        some_more(&crowd).await;
        crowd.stop();
        new
    });
    let asked = asked.unwrap();
    println!(
        "rolling restart: {} payments, {} requests through the proxy, {} failed",
        asked.payments.len(),
        stage.proxy.answered(),
        stage.proxy.failed().len() + asked.failed.len()
    );
    assert_eq!(stage.proxy.failed(), [""; 0]);
    all_answered(&asked);
    nothing_is_lost(&stage, &worker, &asked.payments).await;
}

/// As the chart does: the new one is ready before the old one is told to end, which goes on serving until every proxy has heard.
async fn replace(stage: &Stage, old: Replica) -> Replica {
    let new = stage.serve().await.unwrap();
    let drain = Duration::from_secs(old.pod().drain_s) / NEARER;
    sleep(drain / 2).await;
    stage.proxy.drain(old.url());
    sleep(drain / 2).await;
    old.stop().await.unwrap();
    new
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_server_stopped_under_load_ends_in_time_answers_all_it_began_and_loses_nothing() {
    let stage = Stage::set().await.unwrap();
    let worker = stage.work().await.unwrap();
    let serve = stage.serve().await.unwrap();
    let inner = serve.inner_url().await.unwrap();
    let crowd = Crowd::new(stage.shop_at(&inner).unwrap(), "stop", CALLERS);
    let (asked, took) = tokio::join!(crowd.ask(), async {
        some_more(&crowd).await;
        let started = Instant::now();
        serve.stop().await.unwrap();
        started.elapsed()
    });
    let mut asked = asked.unwrap();
    stage.proxy.drain(serve.url());
    println!(
        "docker stop: {} ms, {} payments answered, {} refused, {} cut off before they were begun",
        took.as_millis(),
        asked.payments.len(),
        asked.not_taken.len(),
        asked.failed.len()
    );
    let grace = u64::try_from(serve.pod().grace_s).unwrap();
    assert!(took < Duration::from_secs(grace), "it took {took:?}");
    assert_eq!(asked.not_taken.len(), CALLERS);
    // A request may meet the closing of its connection on its way. None that was read is cut off.
    for failed in &asked.failed {
        let (reference, _) = failed.split_once(':').unwrap();
        let statement = format!("select count(*) from payment where reference = '{reference}'");
        assert_eq!(
            stage.count(&statement).await.unwrap(),
            0,
            "it was begun: {failed}"
        );
        asked.not_taken.push(reference.to_owned());
    }

    let again = stage.serve().await.unwrap();
    let shop = stage.shop_at(again.url()).unwrap();
    for reference in &asked.not_taken {
        asked.payments.push(asked_again(&shop, reference).await);
    }
    nothing_is_lost(&stage, &worker, &asked.payments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_restarted_under_load_loses_nothing_and_the_service_recovers_by_itself() {
    let stage = Stage::set().await.unwrap();
    let worker = stage.work().await.unwrap();
    let serve = stage.serve().await.unwrap();
    let crowd = Crowd::new(stage.shop_at(serve.url()).unwrap(), "db", CALLERS);
    let (asked, away) = tokio::join!(crowd.ask(), async {
        some_more(&crowd).await;
        let started = Instant::now();
        stage.restart_postgres().await.unwrap();
        let ready = until("it is ready again", WITHIN, async || {
            Ok(serve.get("/readyz").await.ok())
        });
        ready.await.unwrap();
        let away = started.elapsed();
        some_more(&crowd).await;
        crowd.stop();
        away
    });
    let mut asked = asked.unwrap();
    println!(
        "Postgres restarted: ready again after {} ms, {} payments answered, {} refused meanwhile",
        away.as_millis(),
        asked.payments.len(),
        asked.failed.len()
    );
    assert!(
        asked.not_taken.is_empty(),
        "the service went away: {:?}",
        asked.not_taken
    );
    let shop = stage.shop_at(serve.url()).unwrap();
    for failed in &asked.failed {
        let (reference, _) = failed.split_once(':').unwrap();
        asked.payments.push(asked_again(&shop, reference).await);
    }
    nothing_is_lost(&stage, &worker, &asked.payments).await;
}

async fn some_more(crowd: &Crowd) {
    let wanted = crowd.done() + SOME;
    let made = until("some more payments are made", WITHIN, async || {
        Ok((crowd.done() >= wanted).then_some(()))
    });
    made.await.unwrap();
}

/// Who was not answered asks again, under the same key, until that is answered.
async fn asked_again(shop: &Shop, reference: &str) -> Value {
    let answered = until("it is answered when asked again", WITHIN, async || {
        match shop.charge(reference).await? {
            Outcome::Answered(payment) => Ok(Some(payment)),
            Outcome::NotTaken => Ok(None),
        }
    });
    answered.await.unwrap()
}

fn all_answered(asked: &Asked) {
    assert_eq!(asked.failed, [""; 0]);
    assert_eq!(asked.not_taken, [""; 0]);
}
