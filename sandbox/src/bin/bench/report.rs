//! The figures: one line each on standard output, and one flat object of name to number in a file.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Number, Value};

/// A figure in thousandths, so that no rounding happens on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thousandths(pub(crate) i64);

impl Thousandths {
    pub(crate) fn whole(number: u64) -> Result<Self> {
        let number = i64::try_from(number)?;
        Ok(Self(
            number.checked_mul(1000).context("a figure is out of range")?,
        ))
    }

    /// Milliseconds with three places.
    pub(crate) fn millis(duration: Duration) -> Result<Self> {
        Ok(Self(i64::try_from(duration.as_micros())?))
    }

    /// One number over another.
    pub(crate) fn ratio(part: u64, whole: u64) -> Result<Self> {
        let scaled = part
            .checked_mul(1000)
            .and_then(|part| part.checked_div(whole))
            .context("a ratio to nothing")?;
        Ok(Self(i64::try_from(scaled)?))
    }
}

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        if part == 0 {
            write!(f, "{sign}{whole}")
        } else {
            write!(f, "{sign}{whole}.{part:03}")
        }
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Map<String, Value>,
}

impl Report {
    /// Prints a figure as it is measured, and keeps it.
    pub(crate) fn add(&mut self, name: &str, value: Thousandths, unit: &str) -> Result<()> {
        let text = value.to_string();
        writeln!(std::io::stdout(), "{name} {text} {unit}")?;
        self.figures.insert(
            name.to_owned(),
            Value::Number(serde_json::from_str::<Number>(&text)?),
        );
        Ok(())
    }

    /// Writes the figures to a file.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&Value::Object(self.figures))?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

/// The value below which `percent` of the sorted durations lie.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Result<Duration> {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().context("no durations were measured")
}

#[cfg(test)]
mod tests {
    use super::{Thousandths, percentile};
    use std::time::Duration;

    #[test]
    fn thousandths_read_as_a_person_writes_them() {
        assert_eq!(Thousandths(412).to_string(), "0.412");
        assert_eq!(Thousandths(-1005).to_string(), "-1.005");
        assert_eq!(Thousandths(12_000).to_string(), "12");
    }

    #[test]
    fn the_99th_percentile_of_a_hundred_is_the_largest() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();

        assert_eq!(percentile(&sorted, 99).ok(), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&sorted, 50).ok(), Some(Duration::from_millis(51)));
    }
}
