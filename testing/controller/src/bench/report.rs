//! The comparison as a document.

use crate::bench::contest::Measured;
use crate::bench::contestant::Contestant;
use crate::bench::tables;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The promises: at this many Rollouts, what Sluice takes at most of what Argo's controller takes.
pub const PROMISED_AT: u32 = 5_000;
const MEMORY_SHARE_MAX: f64 = 0.1;
const CPU_SHARE_MAX: f64 = 0.2;

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// Their versions.
    pub versions: BTreeMap<Contestant, String>,
    /// Processor cores of the machine.
    pub cores: usize,
    /// In the order in which they were measured.
    pub measured: Vec<Measured>,
}

/// A promise, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Promise {
    /// What was promised.
    pub promise: String,
    /// What was measured.
    pub measured: String,
    /// Whether that keeps it.
    pub kept: bool,
}

impl Results {
    /// The sizes that were measured, with the controllers of each.
    pub(crate) fn by_size(&self) -> BTreeMap<u32, Vec<&Measured>> {
        let mut sizes: BTreeMap<u32, Vec<&Measured>> = BTreeMap::new();
        for measured in &self.measured {
            let size = sizes.entry(measured.settings.rollouts).or_default();
            size.push(measured);
        }
        sizes
    }

    /// The promises that these figures can say something about.
    #[must_use]
    pub fn promises(&self) -> Vec<Promise> {
        let mut promises = Vec::new();
        for (rollouts, measured) in self.by_size() {
            let of = |contestant| {
                let mut all = measured.iter();
                all.find(|measured| measured.contestant == contestant)
            };
            if let Some(sluice) = of(Contestant::Sluice) {
                promises.push(no_requests(rollouts, sluice));
            }
            if rollouts >= PROMISED_AT
                && let (Some(sluice), Some(argo)) = (of(Contestant::Sluice), of(Contestant::Argo))
            {
                promises.extend(shares(rollouts, sluice, argo));
            }
        }
        promises
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = String::new();
        text.push_str(HEAD);
        let first = self.measured.first();
        if let Some(Measured { settings, .. }) = first {
            let versions: Vec<String> = self
                .versions
                .iter()
                .map(|(contestant, version)| format!("{} {version}", contestant.title()))
                .collect();
            put(
                &mut text,
                format_args!(
                    "{}; {} cores, which the cluster shares. {} s in which nothing changes, then {} Rollouts updated at once.\n\n",
                    versions.join(", "),
                    self.cores,
                    settings.idle_seconds,
                    settings.updates
                ),
            );
        }
        text.push_str("## In short\n\n");
        for promise in self.promises() {
            put(
                &mut text,
                format_args!(
                    "- {}: {} ({}).\n",
                    promise.promise,
                    if promise.kept { "yes" } else { "**no**" },
                    promise.measured
                ),
            );
        }
        for (rollouts, measured) in self.by_size() {
            let count = tables::thousands(u64::from(rollouts));
            put(&mut text, format_args!("\n## {count} Rollouts\n\n"));
            text.push_str(&tables::figures(&measured));
            text.push_str("\nRequests to the API server:\n\n");
            text.push_str(&tables::requests(&measured));
        }
        text.push_str(HOW);
        text
    }
}

/// A figure of what was measured.
type Figure = fn(&Measured) -> f64;

fn put(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("a String takes everything");
}

fn no_requests(rollouts: u32, sluice: &Measured) -> Promise {
    let requests = &sluice.idle.requests;
    Promise {
        promise: format!(
            "No request but those of the Lease and watches while nothing changes, at {} Rollouts",
            tables::thousands(u64::from(rollouts))
        ),
        measured: format!(
            "{} others in {:.0} s",
            requests.of_work(),
            sluice.idle.seconds
        ),
        kept: requests.of_work() == 0,
    }
}

fn shares(rollouts: u32, sluice: &Measured, argo: &Measured) -> Vec<Promise> {
    let at = format!("at {} Rollouts", tables::thousands(u64::from(rollouts)));
    let megabytes = |measured: &Measured| measured.idle.rss as f64 / 1e6;
    let mut promises = vec![share(
        format!("At most a tenth of Argo's memory, {at} and idle"),
        megabytes(sluice),
        megabytes(argo),
        "MB",
        MEMORY_SHARE_MAX,
    )];
    let phases: [(&str, Figure); 3] = [
        ("while they are created", |measured| {
            measured.creating.cpu_seconds
        }),
        ("while nothing changes", |measured| {
            measured.idle.cpu_seconds
        }),
        ("while many are updated", |measured| {
            measured.updating.cpu_seconds
        }),
    ];
    promises.extend(phases.map(|(when, cpu)| {
        share(
            format!("At most a fifth of Argo's processor time, {at}, {when}"),
            cpu(sluice),
            cpu(argo),
            "s",
            CPU_SHARE_MAX,
        )
    }));
    promises
}

fn share(promise: String, ours: f64, theirs: f64, unit: &str, max: f64) -> Promise {
    Promise {
        promise,
        measured: format!("{ours:.2} of {theirs:.2} {unit}"),
        kept: ours <= theirs * max,
    }
}

const HEAD: &str = "\
# The controller beside Argo's

Made by `cargo xtask bench controller`; changes belong into the program (`testing/controller`). Ratios are Sluice's
figure divided by Argo's; absolute figures depend on the machine.

";

const HOW: &str = "
## How it is measured

Each controller gets a cluster of its own, one after the other: etcd, API server, controller manager and scheduler as processes on this
machine, with pods that only pretend (kwok), so that they become Ready at once. A controller runs outside of the cluster's pods and holds its Lease. Every Rollout
has one replica, a template of its own of about 1.3 KB, and a canary of two steps: 50 %, then a pause of 5 s. Definitions are those of `sluice crds` for both.

- **Arguments**: each controller as it comes. Argo's limits its requests to 40 a second and 80 at once, for each of its clients; Sluice's has no limit.
  Where a column says *unlimited* Argo's runs with `--qps=10000 --burst=20000`, and where one says *limited* Sluice's with `--qps=40 --burst=80` for all it asks.
- **Memory** is from `/proc/PID/smaps_rollup` at the end of each time; RSS has the program's own pages in it, PSS a part of those that are shared. The peak of RSS is the
  kernel's (`VmHWM`), the peak of PSS the highest of looks each second.
- **Processor time** is user and system time of the process, from `/proc/PID/stat`. The time of creating and of updating ends when all are Healthy and the
  controller asked for nothing during 15 s, or after 10 minutes.
- **Requests** are counted by the API server, from its audit log: the controller is a user of its own. A watch counts when it begins. Argo's controller
  looks at everything again every 15 minutes, which is rarely within the time that nothing changes here; Sluice's has no such time.
- **Time to the new ReplicaSet** is from sending the change of the spec until a watch of the benchmark's own shows the ReplicaSet; 8 changes are sent at a time.
- **Healthy** is `status.phase` of the spec's generation; the 5 s of the pause are in it for an update.
";

#[cfg(test)]
mod tests;
