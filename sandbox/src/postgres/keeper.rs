//! The little shell process between us and Postgres, which cleans up even when we were killed.
//!
//! A test process has no exit hook, and SIGKILL leaves nobody a chance to tidy. So the server is not our child
//! but the keeper's, and the keeper's standard input is a pipe from us: when we are gone, however we went, it
//! reads end-of-file, stops Postgres and removes the directory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::user::Identity;

/// Obeys one order per line and answers with the order and its exit status.
///
/// Arguments: the directory to remove at the end, `initdb`'s command as one word each up to `--`, then the server's.
const SCRIPT: &str = r#"
dir=$1; shift
server=
down() { [ -z "$server" ] || { kill -"$1" "$server"; wait "$server"; server=; } 2>/dev/null; }
finish() { down INT; cd /; rm -rf "$dir"; }
trap '' HUP INT PIPE
trap finish EXIT
trap exit TERM
cd "$dir" || exit 1
while read -r order arguments; do
  case $order in
    run) eval "$arguments" >>log 2>&1 </dev/null ;;
    start) eval "exec $arguments" >>log 2>&1 </dev/null & server=$! ;;
    stop) down INT; true ;;
    crash) down QUIT; true ;;
  esac
  echo "$order $?"
done
"#;

/// A running keeper. Dropping it stops the server, removes the directory, and waits for both.
#[derive(Debug)]
pub(super) struct Keeper {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Starts a keeper for `dir`, as `identity` where that is not ourselves.
    pub(super) fn start(dir: &Path, identity: Option<Identity>) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(SCRIPT)
            .arg("quittance-postgres-keeper")
            .arg(dir);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Its own process group, so that Ctrl-C reaches us first and the clean-up is orderly.
        command.process_group(0).env("LC_ALL", "C").env("HOME", dir);
        if let Some(Identity { uid, gid }) = identity {
            command.uid(uid).gid(gid);
        }
        let mut process = command.spawn().context("starting /bin/sh to keep Postgres")?;
        let orders = process.stdin.take();
        let answers = process.stdout.take().context("the keeper has no output")?;
        Ok(Self {
            process,
            orders,
            answers: BufReader::new(answers),
        })
    }

    /// Runs a program to its end.
    pub(super) fn run(&mut self, program: &[String]) -> Result<()> {
        self.order("run", program)
    }

    /// Starts the server; it is ready when it accepts connections, not when this returns.
    pub(super) fn start_server(&mut self, program: &[String]) -> Result<()> {
        self.order("start", program)
    }

    /// Stops the server in good order: sessions are cut, everything is written.
    pub(super) fn stop_server(&mut self) -> Result<()> {
        self.order("stop", &[])
    }

    /// Stops the server as a crash would: the next start has to recover.
    pub(super) fn crash_server(&mut self) -> Result<()> {
        self.order("crash", &[])
    }

    fn order(&mut self, order: &str, program: &[String]) -> Result<()> {
        let words: Vec<String> = program.iter().map(|word| quote(word)).collect();
        let orders = self.orders.as_mut().context("the keeper was dismissed")?;
        writeln!(orders, "{order} {}", words.join(" ")).context("the Postgres keeper is gone")?;
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .context("the Postgres keeper is gone")?;
        match answer.trim().strip_prefix(order).map(str::trim) {
            Some("0") => Ok(()),
            Some(status) => bail!(
                "{} ended with status {status}",
                program.first().map_or(order, String::as_str)
            ),
            None => bail!("the Postgres keeper is gone"),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Nothing can be done about a keeper that cannot be waited for.
        let _ = self.process.wait();
    }
}

/// Quotes a word for the shell, backslashes included: `read -r` leaves them alone.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
