//! The figures of the presets and risk classes, in one place; `docs/document.md` repeats them for people.

use sluice_model::plan::Strategy;
use std::time::Duration;

/// What a release starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Preset(Strategy),
    Risk(Risk),
}

/// How much is at stake with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Risk {
    Low,
    Medium,
    High,
    Critical,
}

/// The names that `release:` knows of itself.
pub(crate) const NAMES: [&str; 9] = [
    "canary",
    "blue-green",
    "rolling",
    "recreate",
    "shadow",
    "LOW",
    "MEDIUM",
    "HIGH",
    "CRITICAL",
];

/// Restarts of one replica that count as a crash loop.
pub(crate) const CRASH_LOOP_RESTARTS: u32 = 3;
/// Former revisions that are kept.
pub(crate) const HISTORY_LIMIT: u32 = 10;

/// A preset by its name, or a risk class in any case.
pub(crate) fn by_name(word: &str) -> Option<Base> {
    let strategy = match word {
        "canary" => Strategy::Canary,
        "blue-green" => Strategy::BlueGreen,
        "rolling" => Strategy::Rolling,
        "recreate" => Strategy::Recreate,
        "shadow" => Strategy::Shadow,
        _ => return Risk::by_name(word).map(Base::Risk),
    };
    Some(Base::Preset(strategy))
}

impl Risk {
    /// The class of that name, in any case.
    pub(crate) fn by_name(word: &str) -> Option<Risk> {
        match word.to_ascii_uppercase().as_str() {
            "LOW" => Some(Risk::Low),
            "MEDIUM" => Some(Risk::Medium),
            "HIGH" => Some(Risk::High),
            "CRITICAL" => Some(Risk::Critical),
            _ => None,
        }
    }
}

impl Base {
    /// The strategy behind it.
    pub(crate) fn strategy(self) -> Strategy {
        match self {
            Base::Preset(strategy) => strategy,
            Base::Risk(Risk::Low | Risk::Medium | Risk::High) => Strategy::Canary,
            Base::Risk(Risk::Critical) => Strategy::Shadow,
        }
    }

    /// The weights of its canary steps, in percent.
    pub(crate) fn weights(self) -> &'static [f64] {
        match self {
            Base::Preset(_) => &[5.0, 25.0, 50.0, 100.0],
            Base::Risk(Risk::Low) => &[10.0, 50.0, 100.0],
            Base::Risk(Risk::Medium) => &[1.0, 5.0, 25.0, 50.0, 100.0],
            Base::Risk(Risk::High | Risk::Critical) => &[1.0, 5.0, 10.0, 25.0, 50.0, 100.0],
        }
    }

    /// The bake of a step that has none of its own.
    pub(crate) fn bake(self) -> Duration {
        let minutes = match self {
            Base::Preset(Strategy::Canary | Strategy::Shadow | Strategy::BlueGreen) => 1,
            Base::Preset(Strategy::Rolling | Strategy::Recreate) => 0,
            Base::Risk(Risk::Low) => 15,
            Base::Risk(Risk::Medium) => 30,
            Base::Risk(Risk::High) => 60,
            Base::Risk(Risk::Critical) => 240,
        };
        Duration::from_secs(minutes * 60)
    }
}

/// How long the replaced revision stays at full capacity.
pub(crate) fn keep_warm(strategy: Strategy) -> Duration {
    match strategy {
        Strategy::BlueGreen => Duration::from_secs(600),
        Strategy::Canary | Strategy::Shadow => Duration::from_secs(30),
        Strategy::Rolling | Strategy::Recreate => Duration::ZERO,
    }
}

/// How long a replica must be ready: without a readiness probe, long enough to see it crash at once.
pub(crate) fn min_ready(has_readiness: bool) -> Duration {
    if has_readiness {
        Duration::ZERO
    } else {
        Duration::from_secs(2)
    }
}

/// Longest time for a step's replicas to become available.
pub(crate) fn progress_deadline(startup: Duration) -> Duration {
    (startup + Duration::from_secs(60)).max(Duration::from_secs(120))
}

/// Replicas above the full size: a quarter, at least one.
pub(crate) fn max_surge(replicas: u32) -> u32 {
    replicas.div_ceil(4).max(1)
}

/// Ten minutes without a move (A11), on top of the longest bake, which is no standstill.
pub(crate) fn stuck_after(bake_max: Duration) -> Duration {
    bake_max + Duration::from_secs(600)
}

/// Thirty minutes (A11), or one and a half times what the bakes take anyway.
pub(crate) fn slow_after(baked: Duration) -> Duration {
    (baked * 3 / 2).max(Duration::from_secs(1_800))
}
