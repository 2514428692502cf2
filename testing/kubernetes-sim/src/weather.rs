//! What may go wrong in a run, and how often.

use fastrand::Rng;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The API server is away for a while, and its watches break.
    ServerRestarts,
    /// Writes are refused because somebody else wrote first.
    Conflicts,
    /// A write is done and its answer is lost.
    LostReplies,
    /// Requests hang until their deadline.
    SlowRequests,
    /// Watches break, or are too old to go on.
    WatchGaps,
    /// What happens is heard of late, and sometimes twice.
    StaleWatches,
    /// The controller is killed after a write, or in between.
    Crashes,
    /// Another controller leads, and the old one goes on for a while.
    LeaderChanges,
    /// Controllers' clocks are off.
    ClockSkew,
    /// Services, templates and Secrets are deleted, and created again.
    DeletedObjects,
    /// No more pods may be created for a while.
    Quotas,
    /// Pods end, or are unready for a while.
    LostPods,
    /// Images that never get ready.
    BrokenImages,
    /// Metric servers that do not answer, or have no data.
    BlindMetrics,
    /// ReplicaSets are refused.
    RefusedReplicaSets,
    /// Admission webhooks take seconds, or do not answer in time.
    SlowWebhooks,
    /// The definition of Rollouts is an older one, which drops fields of their status.
    OlderDefinitions,
    /// Those who are to be notified refuse messages, or take too long to answer.
    AwayRecipients,
}

impl Fault {
    /// All of them with their names.
    pub const ALL: [(&'static str, Fault); 18] = [
        ("server-restarts", Fault::ServerRestarts),
        ("conflicts", Fault::Conflicts),
        ("lost-replies", Fault::LostReplies),
        ("slow-requests", Fault::SlowRequests),
        ("watch-gaps", Fault::WatchGaps),
        ("stale-watches", Fault::StaleWatches),
        ("crashes", Fault::Crashes),
        ("leader-changes", Fault::LeaderChanges),
        ("clock-skew", Fault::ClockSkew),
        ("deleted-objects", Fault::DeletedObjects),
        ("quotas", Fault::Quotas),
        ("lost-pods", Fault::LostPods),
        ("broken-images", Fault::BrokenImages),
        ("blind-metrics", Fault::BlindMetrics),
        ("refused-replica-sets", Fault::RefusedReplicaSets),
        ("slow-webhooks", Fault::SlowWebhooks),
        ("older-definitions", Fault::OlderDefinitions),
        ("away-recipients", Fault::AwayRecipients),
    ];

    /// The fault of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Fault> {
        let mut all = Self::ALL.into_iter();
        all.find(|(known, _)| *known == name)
            .map(|(_, fault)| fault)
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Whatever there is.
    pub const ALL: Faults = Faults(u32::MAX);
    /// Fine weather.
    pub const NONE: Faults = Faults(0);

    /// Whether it is among them.
    #[must_use]
    pub fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// All but this.
    #[must_use]
    pub fn without(self, fault: Fault) -> Faults {
        Faults(self.0 & !(1 << fault as u32))
    }

    /// These and this.
    #[must_use]
    pub fn with(self, fault: Fault) -> Faults {
        Faults(self.0 | 1 << fault as u32)
    }
}

/// The weather of one run: each kind of fault that may happen does in about half of the runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    faults: Faults,
    /// Milliseconds after which nothing goes wrong any more, and nobody asks for anything.
    pub(crate) quiet_at: i64,
    /// Milliseconds between two requests of users, on average.
    pub(crate) user_ms: i64,
    /// Milliseconds between two mishaps, on average.
    pub(crate) mishap_ms: i64,
    /// The longest ordinary way of a watch's notice, in milliseconds.
    pub(crate) notice_ms: i64,
}

impl Weather {
    /// Nothing goes wrong, for ever.
    pub(crate) fn fine() -> Weather {
        Weather {
            faults: Faults::NONE,
            quiet_at: i64::MAX,
            user_ms: i64::MAX,
            mishap_ms: i64::MAX,
            notice_ms: 50,
        }
    }

    pub(crate) fn draw(random: &mut Rng, allowed: Faults) -> Weather {
        let mut faults = Faults::NONE;
        for (_, fault) in Fault::ALL {
            // Drawn for each, so that leaving one out changes nothing else.
            if random.u8(..100) < 45 && allowed.has(fault) {
                faults = faults.with(fault);
            }
        }
        Weather {
            faults,
            quiet_at: random.i64(120_000..=420_000),
            user_ms: random.i64(10_000..=60_000),
            mishap_ms: random.i64(4_000..=40_000),
            notice_ms: random.i64(5..=800),
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.has(fault)
    }

    /// From now on the weather is fine.
    pub(crate) fn clear(&mut self) {
        self.faults = Faults::NONE;
    }
}
