//! Any routing and any request: no panic, a decision for a revision that the routing names, and a unit
//! that is on the canary stays there when its weight grows.
//!
//! `cargo +nightly fuzz run routing` from this folder.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use sluice_model::routes::{Assignment, Condition, MatchRoute, Mirror, MirrorRoute, RequestMatch, TextMatch};
use sluice_model::{RevisionNumber, RolloutId, Routes, Weight};
use sluice_routing::{RequestFacts, RouteTable, cookie_value};

const STABLE: RevisionNumber = RevisionNumber(1);
const CANARY: RevisionNumber = RevisionNumber(2);

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    weight: u16,
    more: u16,
    sticky: u8,
    condition: u8,
    wanted: &'a str,
    mirrors: bool,
    safe: bool,
    user: Option<&'a [u8]>,
    cookies: &'a [u8],
    path: &'a [u8],
    draw: u64,
}

struct Request<'a>(&'a Input<'a>);

impl RequestFacts for Request<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        (name == "x-user").then_some(self.0.user).flatten()
    }
    fn cookie(&self, name: &str) -> Option<&[u8]> {
        cookie_value(self.0.cookies, name)
    }
    fn path(&self) -> &[u8] {
        self.0.path
    }
    fn is_safe(&self) -> bool {
        self.0.safe
    }
}

fn routes(input: &Input<'_>, basis_points: u16) -> Routes {
    let weight = Weight::from_basis_points(basis_points.min(10_000)).expect("within the range");
    let text = input.wanted.to_owned();
    let condition = match input.condition % 5 {
        0 => None,
        1 => Some(Condition::Header { name: "x-user".into(), value: TextMatch::Exact(text) }),
        2 => Some(Condition::Cookie { name: "unit".into(), value: TextMatch::Prefix(text) }),
        3 => Some(Condition::Path { value: TextMatch::Prefix(text) }),
        _ => Some(Condition::User { any_of: vec![text] }),
    };
    let to_canary = |condition| MatchRoute {
        when: RequestMatch { all: vec![condition] },
        revision: CANARY,
    };
    let mirror = Mirror { share: weight, unsafe_methods: false, compare: true };
    Routes {
        weights: [(STABLE, weight.rest()), (CANARY, weight)].into(),
        canary: Some(CANARY),
        matches: condition.map(to_canary).into_iter().collect(),
        mirror: input.mirrors.then_some(MirrorRoute { mirror, revision: CANARY }),
        preview: None,
        assignment: match input.sticky % 3 {
            0 => Assignment::PerRequest,
            1 => Assignment::Header { name: "x-user".into() },
            _ => Assignment::Cookie { name: "unit".into() },
        },
        salt: RolloutId(7),
        segment: 1,
    }
}

fuzz_target!(|input: Input<'_>| {
    let request = Request(&input);
    let lower = input.weight % 10_001;
    let higher = lower.saturating_add(input.more).min(10_000);
    let decide = |basis_points| {
        let table = RouteTable::new(&routes(&input, basis_points)).expect("sound routes");
        table.decide(&request, input.draw).expect("the weights are never empty")
    };
    let (before, after) = (decide(lower), decide(higher));
    assert!([STABLE, CANARY].contains(&before.revision));
    if before.revision == CANARY {
        assert_eq!(after.revision, CANARY, "a growing weight moved somebody back");
    }
    if !input.safe {
        assert!(after.mirror.is_none(), "a request that may write was mirrored");
    }
});
