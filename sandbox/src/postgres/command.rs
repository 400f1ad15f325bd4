//! The command lines that Postgres is made and run with.

use std::path::{Path, PathBuf};

use super::binaries::Programs;

/// How much a power cut may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is forced to disk: quick, for tests, which never outlive the machine.
    Fast,
    /// `fsync`, `full_page_writes` and `synchronous_commit` on, as in production: for the demo and the bench.
    Full,
}

impl Durability {
    fn settings(self) -> [&'static str; 3] {
        // `synchronous_commit` stays on either way: the service refuses to start without it.
        match self {
            Self::Fast => ["fsync=off", "full_page_writes=off", "synchronous_commit=on"],
            Self::Full => ["fsync=on", "full_page_writes=on", "synchronous_commit=on"],
        }
    }

    /// Where the data lives: `/tmp` may be memory, where forcing to disk means nothing.
    pub(super) fn parent_directory(self) -> PathBuf {
        let lasting = Path::new("/var/tmp");
        if self == Self::Full && lasting.is_dir() {
            lasting.to_path_buf()
        } else {
            std::env::temp_dir()
        }
    }
}

/// The command that makes an empty cluster under `dir`; an image does that by itself.
pub(super) fn initialise(programs: &Programs, dir: &Path) -> Option<Vec<String>> {
    let Programs::Directory(bin) = programs else {
        return None;
    };
    let initdb = bin.join("initdb").display().to_string();
    let data = dir.join("data").display().to_string();
    let options = [
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        "--pgdata",
    ];
    Some(
        [initdb]
            .into_iter()
            .chain(options.map(str::to_owned))
            .chain([data])
            .collect(),
    )
}

/// The command that is the server, until it is told to stop.
pub(super) fn server(programs: &Programs, dir: &Path, port: u16, durability: Durability) -> Vec<String> {
    let mut words: Vec<String> = match programs {
        Programs::Directory(bin) => vec![
            bin.join("postgres").display().to_string(),
            "-D".to_owned(),
            dir.join("data").display().to_string(),
            "-p".to_owned(),
            port.to_string(),
            "-c".to_owned(),
            "listen_addresses=127.0.0.1".to_owned(),
            "-c".to_owned(),
            format!("unix_socket_directories={}", dir.display()),
        ],
        Programs::Container(image) => vec![
            "docker".to_owned(),
            "run".to_owned(),
            "--rm".to_owned(),
            format!("--publish=127.0.0.1:{port}:5432"),
            "--env=POSTGRES_HOST_AUTH_METHOD=trust".to_owned(),
            (*image).to_owned(),
        ],
    };
    for setting in durability
        .settings()
        .into_iter()
        .chain(["max_connections=200", "timezone=UTC"])
    {
        words.extend(["-c".to_owned(), setting.to_owned()]);
    }
    words
}
