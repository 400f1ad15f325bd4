//! What came of each case, for people.

use std::fmt::Write as _;

/// One case.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) happened: String,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) effects: usize,
    pub(super) verdict: Verdict,
}

impl Row {
    /// For cases that could not be judged.
    pub(super) fn of_none(world: String, error: &anyhow::Error) -> Self {
        let none = || "none".to_owned();
        Self {
            kind: "all",
            happened: world,
            first: none(),
            last: none(),
            effects: 0,
            verdict: Verdict::Wrong(format!("{error:#}")),
        }
    }
}

/// What is to be said of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It happened once, and the caller knows.
    Ok,
    /// It never happened, or the caller never heard of it.
    Lost(String),
    /// It happened more than once.
    Double,
    /// It happened once, and something that was said or left behind is not right.
    Wrong(String),
}

impl Verdict {
    fn words(&self) -> String {
        match self {
            Self::Ok => "ok".to_owned(),
            Self::Lost(why) => format!("LOST: {why}"),
            Self::Double => "DOUBLE".to_owned(),
            Self::Wrong(why) => format!("WRONG: {why}"),
        }
    }
}

/// All cases, and how many are not as they should be.
pub(super) fn table(rows: &[Row]) -> String {
    let head = [
        "kind",
        "what happened",
        "first answer",
        "final answer",
        "effects",
        "verdict",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            row.kind.to_owned(),
            row.happened.clone(),
            row.first.clone(),
            row.last.clone(),
            row.effects.to_string(),
            row.verdict.words(),
        ]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; 6] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    let count = |is: fn(&Verdict) -> bool| rows.iter().filter(|row| is(&row.verdict)).count();
    let (cases, lost) = (rows.len(), count(|verdict| matches!(verdict, Verdict::Lost(_))));
    let double = count(|verdict| *verdict == Verdict::Double);
    let wrong = count(|verdict| matches!(verdict, Verdict::Wrong(_)));
    let _ = if lost + double + wrong == 0 && cases > 0 {
        writeln!(text, "matrix ok: {cases} cases, 0 lost, 0 double")
    } else {
        writeln!(
            text,
            "matrix failed: {cases} cases, {lost} lost, {double} double, {wrong} wrong"
        )
    };
    text
}
