//! Repeats each request until it is answered finally, and judges what came of it.

use anyhow::{Context, ensure};
use futures::future::join_all;
use serde_json::Value;

use super::answers::{First, words};
use super::kinds::Kind;
use super::table::{Row, Verdict};
use super::world::{Case, World};
use crate::support::Reply;

/// Sends the first request of each case, all at once.
pub(super) async fn ask_all(world: &World, cases: &[Case]) -> Vec<First> {
    join_all(cases.iter().map(|case| world.ask(case))).await
}

/// Repeats each request until it is answered finally. `incident` says whether what happened did so as it should, and
/// `may` whether a first answer may be given to a kind.
pub(super) async fn judge_all(
    world: &World,
    cases: &[Case],
    happened: &str,
    incident: impl Future<Output = anyhow::Result<()>>,
    firsts: Vec<First>,
    may: impl Fn(&Kind, &First) -> anyhow::Result<()>,
) -> Vec<Row> {
    let healed = world.heal().await;
    let lasts = join_all(cases.iter().map(|case| world.repeat(case))).await;
    let tidy = async {
        incident.await.context("it did not happen as it should")?;
        healed?;
        world.check_tidy().await
    };
    let tidy = tidy.await.map_err(|error| format!("{error:#}"));
    let judged = cases.iter().zip(firsts).zip(lasts);
    join_all(judged.map(async |((case, first), last)| {
        let right = async {
            may(case.kind, &first).with_context(|| format!("first {}", words(&first)))?;
            check_answer(
                world,
                case,
                last.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?,
            )
            .await?;
            tidy.clone().map_err(anyhow::Error::msg)
        };
        let right = right.await;
        let effects = case.effects(world);
        let verdict = match (effects, &last, right) {
            (2.., _, _) => Verdict::Double,
            _ if case.happened(world).intents.len() > 1 => Verdict::Double,
            (0, _, _) => Verdict::Lost("the provider did nothing".to_owned()),
            (1, Err(error), _) => Verdict::Lost(error.clone()),
            (1, Ok(_), Err(error)) => Verdict::Wrong(format!("{error:#}")),
            (1, Ok(_), Ok(())) => Verdict::Ok,
        };
        Row {
            kind: case.kind.name,
            happened: happened.to_owned(),
            first: words(&first),
            last: last.map_or_else(|_| "none".to_owned(), |reply| words(&Ok(reply))),
            effects,
            verdict,
        }
    }))
    .await
}

/// Whether the final answer is right, and stays what it is.
async fn check_answer(world: &World, case: &Case, last: &Reply) -> anyhow::Result<()> {
    let said = last.json();
    ensure!(last.status == case.kind.status, "{}: {said}", last.status);
    check_says(&said, &case.kind.says)?;
    let payment = said.get("payment").unwrap_or(&said);
    let state = payment["operations"]
        .as_array()
        .and_then(|operations| operations.last())
        .map(|it| &it["state"]);
    ensure!(
        state == Some(&Value::from("succeeded")),
        "the operation is {state:?}"
    );
    let again = world.ask(case).await?;
    ensure!(
        again.status == last.status && again.bytes == last.bytes,
        "a repeat is answered otherwise"
    );
    ensure!(
        again.header("Idempotency-Replayed") == Some("true"),
        "a replay does not say that it is one"
    );
    Ok(())
}

fn check_says(said: &Value, wanted: &Value) -> anyhow::Result<()> {
    for (name, wanted) in wanted.as_object().into_iter().flatten() {
        if wanted.is_object() {
            check_says(&said[name], wanted)?;
        } else {
            ensure!(said[name] == *wanted, "{name} is {}", said[name]);
        }
    }
    Ok(())
}
