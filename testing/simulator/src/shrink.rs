//! The smallest weather in which a seed still fails: what is left out did not matter.

use crate::run::{Settings, run};
use crate::weather::Fault;

/// Leaves out kinds of faults, operators and services as long as the same promise is still broken.
#[must_use]
pub fn shrink(seed: u64, settings: &Settings) -> Settings {
    let promise = |settings: &Settings| run(seed, settings).violation.map(|(_, it)| it.promise);
    let Some(broken) = promise(settings) else {
        return *settings;
    };
    let still = |smaller: &Settings| promise(smaller) == Some(broken);
    let mut smallest = *settings;
    for (_, fault) in Fault::ALL {
        let mut smaller = smallest;
        smaller.faults = smaller.faults.without(fault);
        if still(&smaller) {
            smallest = smaller;
        }
    }
    let mut smaller = smallest;
    smaller.operators = false;
    if still(&smaller) {
        smallest = smaller;
    }
    for services_max in 1..settings.services_max {
        let smaller = Settings {
            services_max,
            ..smallest
        };
        if still(&smaller) {
            return smaller;
        }
    }
    smallest
}
