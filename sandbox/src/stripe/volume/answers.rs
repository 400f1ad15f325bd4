//! What is read of a volume through the API.

use axum::http::Method;
use serde_json::Value;

use super::super::balance;
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields};
use super::super::lists::{self, Page};
use super::super::requests::Call;
use super::{Archive, Volume};

impl Archive {
    /// The answer's text, where the call asks for something of the volume.
    pub(crate) fn answer(&self, call: &Call) -> Option<Checked<String>> {
        if call.seen.method != Method::GET {
            return None;
        }
        let path = call.seen.path.strip_prefix("/v1/")?;
        let fields = Fields::new(call.params.clone());
        let lines = self.volume.lines();
        let of_line = |prefix, id| Volume::number(prefix, id, lines);
        match path.split_once('/') {
            None => match path {
                "balance_transactions" => Some(self.list_lines(fields)),
                "payouts" => Some(self.list_payouts(fields)),
                "balance" => Some(Ok(nothing_held())),
                _ => None,
            },
            Some(("balance_transactions", id)) => of_line("txn", id).map(|number| Ok(self.one(number))),
            Some(("charges", id)) => of_line("ch", id).map(|number| Ok(self.source(number))),
            Some(("refunds", id)) => of_line("re", id).map(|number| Ok(self.source(number))),
            Some(("payouts", id)) => {
                let payout = Volume::number("po", id, i64::from(self.volume.payouts))?;
                Some(Ok(self.source(self.own_line(payout))))
            }
            Some(_) => None,
        }
    }

    /// A payout as the API shows it.
    pub(crate) fn payout(&self, number: i64) -> Value {
        serde_json::from_str(&self.source(self.own_line(number))).unwrap_or_default()
    }

    fn one(&self, number: i64) -> String {
        let mut text = String::new();
        self.write_line(&mut text, &self.line(number), false);
        text
    }

    /// What a line is of.
    fn source(&self, number: i64) -> String {
        let line = self.line(number);
        let mut text = String::new();
        let template = match line.kind {
            super::NumberedKind::Charge => &self.texts.charge,
            super::NumberedKind::Refund => &self.texts.refund,
            super::NumberedKind::Payout => &self.texts.payout,
        };
        self.fill(&mut text, template, &line, None);
        text
    }

    fn own_line(&self, payout: i64) -> i64 {
        (payout + 1) * self.volume.per_payout() - 1
    }

    /// `GET /v1/balance_transactions`
    fn list_lines(&self, mut fields: Fields) -> Checked<String> {
        let expand = lists::take_expand(&mut fields)?;
        let page = Page::take(&mut fields)?;
        let (from, until) = fields.times("created")?.bounds();
        let payout = fields.text("payout")?;
        fields.finish()?;
        let within = match &payout {
            None => 0..self.volume.lines(),
            Some(id) => {
                let payout = Volume::number("po", id, i64::from(self.volume.payouts))
                    .ok_or_else(|| ApiError::missing_param("payout", id, "payout"))?;
                self.own_line(payout) - i64::from(self.volume.lines_each)..self.own_line(payout) + 1
            }
        };
        let within = self.volume.written(within, from, until);
        let (numbers, has_more) = page.numbers(within, "balance transaction", |id| {
            Volume::number("txn", id, self.volume.lines())
        })?;
        let whole = expand.iter().any(|path| path == "data.source");
        Ok(list("balance_transactions", has_more, numbers, |text, number| {
            self.write_line(text, &self.line(number), whole);
        }))
    }

    /// `GET /v1/payouts`
    fn list_payouts(&self, mut fields: Fields) -> Checked<String> {
        let page = Page::take(&mut fields)?;
        let created = fields.times("created")?;
        fields.ignore(&["expand", "status"]);
        fields.finish()?;
        let all = 0..i64::from(self.volume.payouts);
        let wanted = |payout: &i64| created.contains(self.line(self.own_line(*payout)).created);
        let first = all.clone().find(|payout| wanted(payout)).unwrap_or(all.end);
        let within = first..first + (first..all.end).take_while(wanted).map(|_| 1).sum::<i64>();
        let (numbers, has_more) = page.numbers(within, "payout", |id| Volume::number("po", id, all.end))?;
        Ok(list("payouts", has_more, numbers, |text, payout| {
            text.push_str(&self.source(self.own_line(payout)));
        }))
    }
}

fn list(path: &str, has_more: bool, numbers: Vec<i64>, write: impl Fn(&mut String, i64)) -> String {
    let mut text = format!(r#"{{"object":"list","url":"/v1/{path}","has_more":{has_more},"data":["#);
    for (place, number) in numbers.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        write(&mut text, number);
    }
    text.push_str("]}");
    text
}

/// All of it was paid out.
fn nothing_held() -> String {
    let nothing = [balance::view("eur", 0)];
    balance::of(&nothing, &nothing).to_string()
}
