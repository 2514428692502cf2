//! What goes wrong in a run: the kinds of faults, and how often each strikes.

use crate::random::Random;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Sluice is killed at any point of a turn.
    Crashes,
    /// It stays away for long afterwards.
    Downtime,
    /// The store cannot write for a while.
    StoreOutages,
    /// The wall clock jumps, ahead or back.
    ClockJumps,
    /// Replicas are ready and not, in turn.
    Flapping,
    /// Replicas crash again and again.
    CrashLoops,
    /// Replicas never get ready.
    NeverReady,
    /// Replicas take long to stop.
    SlowStops,
    /// Replicas are killed.
    Kills,
    /// Hooks fail or hang.
    HookFailures,
    /// Answers of hooks get lost or come late.
    LostReplies,
    /// The platform is seen as it was a while ago.
    StaleObservations,
    /// Nothing is measured for a while.
    MissingData,
    /// Revisions that fail half of their requests.
    BadRevisions,
    /// What was stored of the comparisons is gone when Sluice starts.
    LostLedgers,
}

impl Fault {
    /// All kinds with their names.
    pub const ALL: [(&'static str, Fault); 15] = [
        ("crashes", Fault::Crashes),
        ("downtime", Fault::Downtime),
        ("store-outages", Fault::StoreOutages),
        ("clock-jumps", Fault::ClockJumps),
        ("flapping", Fault::Flapping),
        ("crash-loops", Fault::CrashLoops),
        ("never-ready", Fault::NeverReady),
        ("slow-stops", Fault::SlowStops),
        ("kills", Fault::Kills),
        ("hook-failures", Fault::HookFailures),
        ("lost-replies", Fault::LostReplies),
        ("stale-observations", Fault::StaleObservations),
        ("missing-data", Fault::MissingData),
        ("bad-revisions", Fault::BadRevisions),
        ("lost-ledgers", Fault::LostLedgers),
    ];

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Every kind.
    pub const ALL: Faults = Faults(u32::MAX);
    /// Nothing goes wrong.
    pub const NONE: Faults = Faults(0);

    /// Whether a kind is among them.
    #[must_use]
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & fault.bit() != 0
    }

    /// The set without a kind.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Faults {
        Faults(self.0 & !fault.bit())
    }

    /// The set with a kind.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Faults {
        Faults(self.0 | fault.bit())
    }

    /// The names of the kinds that are in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Fault::ALL
            .into_iter()
            .filter(move |(_, fault)| self.has(*fault))
            .map(|(name, _)| name)
    }

    /// The kinds that can cost a request although Sluice does nothing wrong.
    pub const COSTLY: [Fault; 4] = [
        Fault::Flapping,
        Fault::CrashLoops,
        Fault::Kills,
        Fault::StaleObservations,
    ];

    /// The set without those that can cost a request although Sluice does nothing wrong.
    fn gentle(self) -> Faults {
        Self::COSTLY.into_iter().fold(self, Faults::without)
    }

    /// Half of them, drawn by lot. What is drawn does not depend on which kinds are allowed, so that
    /// leaving one out leaves the others as they were.
    pub(crate) fn draw(self, random: &mut Random) -> Faults {
        Faults(self.0 & random.next() as u32)
    }
}

/// The weather of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) faults: Faults,
    /// How often a fault strikes in a turn, in thousandths.
    pub(crate) rate: u64,
    /// Shortest time between two turns that nothing asks for at once.
    pub(crate) pace_ms: i64,
    /// How late a turn may come.
    pub(crate) late_ms: i64,
    /// Mean time between two commands.
    pub(crate) command_ms: i64,
    /// When the faults and the operators stop.
    pub(crate) quiet_at: i64,
    /// Whether what failed comes back then.
    pub(crate) heals: bool,
}

impl Weather {
    pub(crate) fn draw(random: &mut Random, allowed: Faults) -> Weather {
        let drawn = allowed.draw(random);
        let gentle = random.chance(25);
        Weather {
            faults: if gentle { drawn.gentle() } else { drawn },
            rate: random.pick(&[10, 30, 80]),
            pace_ms: random.pick(&[100, 300, 600, 1_500]),
            late_ms: random.pick(&[1, 50, 400, 2_000]),
            command_ms: random.pick(&[1_500, 4_000, 10_000]),
            quiet_at: random.between(10_000, 45_000),
            heals: random.chance(70),
        }
    }
}
