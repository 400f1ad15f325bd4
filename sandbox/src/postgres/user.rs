//! Whom Postgres runs as: it refuses to be root, so root gives way to an ordinary user.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use uuid::Uuid;

/// An ordinary user and its group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Makes a private directory under `parent`; where we are root, it belongs to the user that is returned.
pub(super) fn private_directory(parent: &Path) -> Result<(PathBuf, Option<Identity>)> {
    let path = parent.join(format!("quittance-postgres-{}", Uuid::now_v7().simple()));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
    made.with_context(|| format!("creating {}", path.display()))?;
    let owner = std::fs::metadata(&path)?.uid();
    if owner != 0 {
        return Ok((path, None));
    }
    let identity =
        ordinary_user().context("Postgres must not run as root, and no user postgres or nobody exists")?;
    chown(&path, Some(identity.uid), Some(identity.gid))?;
    Ok((path, Some(identity)))
}

/// `postgres` where a package made that user, else `nobody`.
fn ordinary_user() -> Option<Identity> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| find_user(&passwd, name))
}

fn find_user(passwd: &str, name: &str) -> Option<Identity> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        // macOS writes nobody as -2, which is no number for us: root there has to bring a server of its own.
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Identity { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::find_user;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:7::/:\npostgres:x:101:104::/:/bin/bash\n";

        let found = find_user(passwd, "postgres").unwrap();

        assert_eq!((found.uid, found.gid), (101, 104));
        assert!(find_user(passwd, "nobody").is_none());
    }
}
