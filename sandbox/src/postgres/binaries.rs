//! Where the Postgres programs come from: the system, else a download, else a container engine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use postgresql_embedded::{PostgreSQL, Settings};

/// The image a container engine is asked for, where there are no programs to run.
const IMAGE: &str = "postgres:17";

/// What can run a Postgres here.
#[derive(Clone, Debug)]
pub(super) enum Programs {
    /// A directory with `initdb` and `postgres`.
    Directory(PathBuf),
    /// A container engine that answers on this machine, and the image it runs.
    Container(&'static str),
}

/// Finds a way to run Postgres, or says what was tried and what to install.
pub(super) async fn find() -> Result<Programs> {
    if let Some(directory) = installed() {
        return Ok(Programs::Directory(directory));
    }
    let download = match download().await {
        Ok(directory) => return Ok(Programs::Directory(directory)),
        Err(error) => error,
    };
    if container_engine_answers() {
        return Ok(Programs::Container(IMAGE));
    }
    bail!(
        "no Postgres: not installed, not downloaded ({download:#}), and no container engine answers; \
         install it (Debian: apt-get install postgresql; macOS: brew install postgresql@17) \
         or set QUITTANCE_TEST_DATABASE_URL"
    )
}

/// A program that comes with Postgres, where the system has it: `pgbench`, `psql`.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    installed_with(&[name]).map(|directory| directory.join(name))
}

/// The newest of the system's own: Debian's, Homebrew's, else whatever is on the path.
fn installed() -> Option<PathBuf> {
    installed_with(&["initdb", "postgres"])
}

fn installed_with(programs: &[&str]) -> Option<PathBuf> {
    let versioned = [
        "/usr/lib/postgresql/*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
    ];
    let mut found: Vec<PathBuf> = versioned.iter().flat_map(|pattern| expand(pattern)).collect();
    found.retain(|directory| has(directory, programs));
    found.sort_by_key(|directory| version_of(directory));
    found.pop().or_else(|| on_the_path(programs))
}

/// Expands the one `*` of a pattern.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return Vec::new();
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after.trim_start_matches('/')))
        .collect()
}

fn version_of(directory: &Path) -> u32 {
    let text = directory.to_string_lossy();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn on_the_path(programs: &[&str]) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "PATH is how the system says where programs are"
    )]
    let path = std::env::var_os("PATH")?;
    let linked = std::env::split_paths(&path).filter(|directory| has(directory, programs));
    // A link on the path leads to the real directory, where initdb finds its share files.
    let real = linked.filter_map(|directory| directory.join(programs.first()?).canonicalize().ok());
    real.filter_map(|program| Some(program.parent()?.to_owned()))
        .find(|directory| has(directory, programs))
}

fn has(directory: &Path, programs: &[&str]) -> bool {
    programs.iter().all(|program| directory.join(program).is_file())
}

/// Downloads Postgres once per machine, through the crate `postgresql_embedded`.
///
/// Only its download is used: it would run `initdb` as whoever we are, and Postgres refuses root.
async fn download() -> Result<PathBuf> {
    let cache = std::env::temp_dir().join("quittance-postgres-programs");
    let initialised = cache.join("initialised");
    std::fs::create_dir_all(&initialised)?;
    // The crate skips `initdb` for a data directory that already has this file.
    std::fs::File::create(initialised.join("postgresql.conf"))?;
    let settings = Settings {
        installation_dir: cache,
        data_dir: initialised,
        ..Settings::default()
    };
    let mut postgres = PostgreSQL::new(settings);
    postgres.setup().await.context("downloading Postgres")?;
    Ok(postgres.settings().binary_dir())
}

fn container_engine_answers() -> bool {
    let mut info = Command::new("docker");
    info.arg("info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    info.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::version_of;

    #[test]
    fn the_newest_version_wins() {
        let old = version_of(Path::new("/usr/lib/postgresql/9/bin"));
        let new = version_of(Path::new("/usr/lib/postgresql/17/bin"));

        assert!(old < new);
    }
}
