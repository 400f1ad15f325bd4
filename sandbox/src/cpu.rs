//! How long processes have worked: what a thing costs, however busy the machine is. Only where the system has `/proc`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Linux counts in hundredths of a second here (proc(5), `USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// Where proc(5) has the parent and the four times, counted behind the name, which may hold anything.
const PARENT: usize = 1;
const TIMES: std::ops::RangeInclusive<usize> = 11..=14;

/// The processor time of a process, of its children, and of those that have ended already.
pub fn used_by(pid: u32) -> Result<Duration> {
    let own =
        Stat::read(&Path::new("/proc").join(pid.to_string())).context("no processor time is told here")?;
    let mut ticks = own.ticks;
    for entry in std::fs::read_dir("/proc")? {
        // Most are no processes, and one may end meanwhile.
        let stat = Stat::read(&entry?.path());
        ticks += stat
            .filter(|stat| stat.parent == pid)
            .map_or(0, |stat| stat.ticks);
    }
    Ok(TICK * ticks)
}

struct Stat {
    parent: u32,
    /// Of the process and of its children that have ended.
    ticks: u32,
}

impl Stat {
    fn read(process: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(process.join("stat")).ok()?;
        let (_, behind_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        let times = fields.get(TIMES)?.iter().map(|field| field.parse::<u32>().ok());
        Some(Self {
            parent: fields.get(PARENT)?.parse().ok()?,
            ticks: times.sum::<Option<u32>>()?,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::{TICK, used_by};

    #[test]
    fn the_time_of_a_child_counts_while_it_runs_and_when_it_has_ended() -> anyhow::Result<()> {
        let own = std::process::id();
        let before = used_by(own)?;
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn()?;
        while used_by(child.id())? < TICK * 5 {
            std::thread::yield_now();
        }
        assert!(used_by(own)? >= before + TICK * 5);
        child.kill()?;
        child.wait()?;
        assert!(used_by(own)? >= before + TICK * 5);
        Ok(())
    }
}
