//! `kill -9` of Sluice at every kind of transition loses nothing.
//!
//! Each round starts a transition, kills Sluice at a moment of it, starts it again, and holds the
//! outcome against what was promised: no orphan, the same processes, the rollout goes on, stable
//! serves, the log is whole. `SLUICE_KILLS` sets the number of rounds (the soak runs 200), the
//! moments come from `SLUICE_SEED`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed step fails the test; progress"
)]

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use support::{Sluice, document};

/// The kinds of transition that a kill interrupts.
#[derive(Clone, Copy, Debug)]
enum Transition {
    FirstDeployment,
    CanaryStep,
    BadCanary,
    Abort,
    Undo,
    BlueGreenSwitch,
    Rolling,
    Recreate,
    Restart,
    Pause,
}

const ALL: [Transition; 10] = [
    Transition::FirstDeployment,
    Transition::CanaryStep,
    Transition::BadCanary,
    Transition::Abort,
    Transition::Undo,
    Transition::BlueGreenSwitch,
    Transition::Rolling,
    Transition::Recreate,
    Transition::Restart,
    Transition::Pause,
];

const CANARY: &str = "{ strategy: canary, checks: none, bake: 400ms, keepWarm: 1m, steps: [{ weight: 20 }, { weight: 60 }, { weight: 100, bake: 0s }] }";
const BLUE_GREEN: &str = "{ strategy: blue-green, checks: none, bake: 200ms, keepWarm: 1m }";
const ROLLING: &str = "{ strategy: rolling, checks: none }";
const RECREATE: &str = "{ strategy: recreate, checks: none }";

impl Transition {
    fn release(self) -> &'static str {
        match self {
            Self::BlueGreenSwitch => BLUE_GREEN,
            Self::Rolling => ROLLING,
            Self::Recreate => RECREATE,
            _ => CANARY,
        }
    }

    /// Begins the transition.
    fn begin(self, sluice: &mut Sluice) {
        match self {
            Self::FirstDeployment => {}
            Self::CanaryStep | Self::BlueGreenSwitch | Self::Rolling | Self::Recreate => {
                sluice.deploy("2", "0");
            }
            // Crashes at its start: taken back by the guard.
            Self::BadCanary => {
                sluice.json(&["deploy", "web", "--env", "DEMO_FAIL_RATIO=none"]);
            }
            Self::Abort => {
                sluice.deploy("2", "0");
                sluice.json(&["abort", "web", "--reason", "rehearsal"]);
            }
            Self::Undo => {
                sluice.deploy("2", "0");
                sluice.json(&["promote", "web", "--full"]);
                sluice.wait_status("promoted", |status| status["stable"] == 2);
                sluice.json(&["undo", "web"]);
            }
            Self::Restart => {
                sluice.json(&["restart", "web"]);
            }
            Self::Pause => {
                sluice.deploy("2", "0");
                sluice.json(&["pause", "web", "--reason", "a look"]);
            }
        }
    }

    /// Whether the service has come to where the transition leads.
    fn has_ended(self, status: &Value) -> bool {
        let healthy_on =
            |revision: u32| status["phase"] == "Healthy" && status["stable"] == revision;
        match self {
            Self::FirstDeployment | Self::Undo => healthy_on(1),
            Self::CanaryStep
            | Self::BlueGreenSwitch
            | Self::Rolling
            | Self::Recreate
            | Self::Restart => healthy_on(2),
            Self::BadCanary | Self::Abort => {
                status["phase"] == "Degraded" && status["stable"] == 1 && status["canary"].is_null()
            }
            Self::Pause => {
                status["phase"] == "Paused" && status["canary"] == 2 && status["stable"] == 1
            }
        }
    }

    /// Replicas at the end; aborted and replaced sides may keep theirs for a while.
    fn replicas(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::FirstDeployment | Self::Rolling | Self::Recreate | Self::Restart => 2..=2,
            _ => 2..=4,
        }
    }
}

/// A number that looks like chance and is the same for the same seed (splitmix64).
fn moment_ms(seed: u64, round: u64, below: u64) -> u64 {
    let mut x = seed.wrapping_add((round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)) % below
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn a_kill_at_any_transition_loses_nothing() {
    let rounds = number("SLUICE_KILLS", ALL.len() as u64);
    let first = number("SLUICE_KILLS_FROM", 0);
    let seed = number("SLUICE_SEED", 1);
    for round in first..first + rounds {
        let transition = ALL[round as usize % ALL.len()];
        let delay = Duration::from_millis(moment_ms(seed, round, 1_500));
        eprintln!(
            "round {}/{}: {transition:?}, killed after {delay:?}",
            round + 1,
            first + rounds
        );
        one_round(transition, delay);
    }
}

fn one_round(transition: Transition, delay: Duration) {
    let mut sluice = Sluice::new(&document(transition.release(), 2));
    if matches!(transition, Transition::FirstDeployment) {
        let child = sluice.spawn_up(&[]);
        std::thread::sleep(delay);
        sluice.adopt(child);
    } else {
        sluice.up();
        sluice.wait_healthy();
        transition.begin(&mut sluice);
        std::thread::sleep(delay);
    }
    let before = sluice.replica_pids();
    sluice.kill_9();
    // Processes survive their supervisor.
    let orphans = sluice.replica_pids();
    sluice.up();
    sluice.wait_status(&format!("the end of {transition:?}"), |status| {
        transition.has_ended(status)
    });
    let wanted = transition.replicas();
    sluice.wait_until("no replica too many or too few", |sluice| {
        wanted.contains(&sluice.replica_pids().len())
            && sluice.known_pids() == sluice.replica_pids()
    });
    // A stable side that was complete was found again, not started anew.
    let keeps_stable = matches!(
        transition,
        Transition::CanaryStep | Transition::Abort | Transition::Pause | Transition::BadCanary
    );
    if keeps_stable {
        let kept: BTreeSet<u32> = before
            .intersection(&sluice.replica_pids())
            .copied()
            .collect();
        assert!(
            kept.len() >= 2,
            "{transition:?}: {before:?} became {:?}, orphans {orphans:?}",
            sluice.replica_pids()
        );
    }
    support::load::ask(sluice.address(), &mut None).unwrap();
    let verified = sluice.json(&["audit", "verify"]);
    assert_eq!(verified["intact"], true, "{verified}");
    assert_eq!(sluice.stop(), Some(0), "{}", sluice.log());
    assert_eq!(
        sluice.replica_pids(),
        BTreeSet::new(),
        "{transition:?} left replicas behind"
    );
}
