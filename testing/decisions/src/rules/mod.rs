//! The rules that are compared, behind one trait: Sluice's sequential analysis, and what its peers do.
//!
//! All rules see the same requests at the same time and without delay, which favours the peers: theirs
//! come through a monitoring system that collects every 15 to 60 seconds. None of them is told what is wrong
//! with the canary.

mod argo;
pub(crate) mod evidence;
mod flagger;
mod kayenta;
mod sluice;
mod z_test;

pub use argo::Argo;
pub use flagger::Flagger;
pub use kayenta::Kayenta;
pub(crate) use sluice::SHIPPED_DESCRIPTION;
pub use sluice::{ALPHA, METRICS, Metric, SHIPPED, Sluice};
pub use z_test::ZTest;

use crate::tick::Tick;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a rule takes the canary back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// Too many requests failed.
    Errors,
    /// Too many requests were slow.
    Latency,
    /// The evidence of several metrics together is enough.
    Evidence,
    /// There was nothing to judge by.
    NoData,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Evidence => "all metrics together",
            Self::NoData => "no data",
        })
    }
}

/// A rule at work on one release.
pub trait Rule {
    /// Looks at the next tick; some decision when the canary is to be taken back. It is not asked again
    /// after that.
    fn look(&mut self, tick: &Tick) -> Option<Decision>;
}

/// The rules, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RuleKind {
    /// See [`Sluice`].
    Sluice,
    /// See [`Flagger`].
    Flagger,
    /// See [`Argo`].
    Argo,
    /// See [`Kayenta`].
    Kayenta,
    /// See [`ZTest`].
    ZTest,
    /// See [`ZTest::calibrated`].
    CalibratedZTest,
}

impl RuleKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sluice,
        Self::Flagger,
        Self::Argo,
        Self::Kayenta,
        Self::ZTest,
        Self::CalibratedZTest,
    ];

    /// What it is called in a table.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sluice => "Sluice",
            Self::Flagger => "Flagger",
            Self::Argo => "Argo Rollouts",
            Self::Kayenta => "Kayenta",
            Self::ZTest => "z-test",
            Self::CalibratedZTest => "z-test, calibrated",
        }
    }

    /// What it does, in a sentence or two.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Sluice => sluice::DESCRIPTION,
            Self::Flagger => flagger::DESCRIPTION,
            Self::Argo => argo::DESCRIPTION,
            Self::Kayenta => kayenta::DESCRIPTION,
            Self::ZTest => z_test::DESCRIPTION,
            Self::CalibratedZTest => z_test::CALIBRATED_DESCRIPTION,
        }
    }

    /// The rule at the start of a release that was recorded: of Sluice, what ships.
    #[must_use]
    pub fn start_recorded(self) -> Box<dyn Rule> {
        match self {
            Self::Sluice => Box::new(Sluice::of(&SHIPPED)),
            other => other.start(),
        }
    }

    /// The rule at the start of a release.
    #[must_use]
    pub fn start(self) -> Box<dyn Rule> {
        match self {
            Self::Sluice => Box::new(Sluice::of(&METRICS)),
            Self::Flagger => Box::new(Flagger::default()),
            Self::Argo => Box::new(Argo::default()),
            Self::Kayenta => Box::new(Kayenta::default()),
            Self::ZTest => Box::new(ZTest::default()),
            Self::CalibratedZTest => Box::new(ZTest::calibrated()),
        }
    }
}
