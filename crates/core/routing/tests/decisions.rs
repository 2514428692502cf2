//! What users of a split notice: who goes where, that they stay, and that the split is fair.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use sluice_model::routes::{
    Assignment, Condition, MatchRoute, Mirror, MirrorRoute, RequestMatch, TextMatch,
};
use sluice_model::{RevisionNumber, RolloutId, Routes, Weight};
use sluice_routing::{DecidedBy, RequestFacts, RouteError, RouteTable, cookie_value};
use std::collections::BTreeMap;

const STABLE: RevisionNumber = RevisionNumber(1);
const CANARY: RevisionNumber = RevisionNumber(2);

/// A request as a list of headers; `:path` and `:method` among them.
#[derive(Clone, Default)]
struct Request(BTreeMap<String, String>);

fn request(facts: &[(&str, &str)]) -> Request {
    Request(
        facts
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
    )
}

impl RequestFacts for Request {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(String::as_bytes)
    }
    fn cookie(&self, name: &str) -> Option<&[u8]> {
        cookie_value(self.header("cookie")?, name)
    }
    fn path(&self) -> &[u8] {
        self.header(":path").unwrap_or(b"/")
    }
    fn is_safe(&self) -> bool {
        !matches!(self.header(":method"), Some(b"POST" | b"PUT" | b"DELETE"))
    }
}

fn split(canary_basis_points: u16, assignment: Assignment) -> Routes {
    let weight = Weight::from_basis_points(canary_basis_points).unwrap();
    Routes {
        weights: BTreeMap::from([(STABLE, weight.rest()), (CANARY, weight)]),
        canary: Some(CANARY),
        assignment,
        salt: RolloutId(3),
        ..Routes::default()
    }
}

fn by_user() -> Assignment {
    Assignment::Header {
        name: "X-User".into(),
    }
}

fn by_cookie() -> Assignment {
    Assignment::Cookie {
        name: "side".into(),
    }
}

fn revision(table: &RouteTable, request: &Request, draw: u64) -> RevisionNumber {
    table.decide(request, draw).unwrap().revision
}

/// Pearson's statistic for observed counts against equal chances.
fn chi_square(counts: &[u64]) -> f64 {
    let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    counts
        .iter()
        .map(|count| (*count as f64 - expected).powi(2) / expected)
        .sum()
}

#[test]
fn weights_must_sum_to_the_whole_or_be_absent() {
    let mut routes = split(500, Assignment::PerRequest);
    assert!(RouteTable::new(&routes).is_ok());
    routes
        .weights
        .insert(RevisionNumber(3), Weight::from_basis_points(1).unwrap());
    let error = RouteTable::new(&routes).unwrap_err();
    assert_eq!(
        error,
        RouteError::WeightsSum {
            basis_points: 10_001
        }
    );
    assert!(error.to_string().contains("100.01 %"), "{error}");
    let empty = RouteTable::new(&Routes::default()).unwrap();
    assert_eq!(empty.decide(&request(&[]), 1), None);
    assert_eq!(empty.decide_connection(1), None);
    assert_eq!(empty.fallback(), None);
}

#[test]
fn the_ends_of_the_weight_range_are_exact() {
    for draw in [0, 1, u64::MAX / 2, u64::MAX] {
        for assignment in [Assignment::PerRequest, by_user(), by_cookie()] {
            let none = RouteTable::new(&split(0, assignment.clone())).unwrap();
            let all = RouteTable::new(&split(10_000, assignment)).unwrap();
            let request = request(&[("x-user", "ada"), ("cookie", "side=x")]);
            assert_eq!(revision(&none, &request, draw), STABLE);
            assert_eq!(revision(&all, &request, draw), CANARY);
        }
    }
}

#[test]
fn the_first_match_wins_over_later_ones_and_over_weights() {
    let header = |value: TextMatch| Condition::Header {
        name: "x-side".into(),
        value,
    };
    let to = |revision, all| MatchRoute {
        when: RequestMatch { all },
        revision,
    };
    let mut routes = split(0, by_user());
    routes.matches = vec![
        to(CANARY, vec![header(TextMatch::Exact("canary".into()))]),
        to(STABLE, vec![header(TextMatch::Present)]),
        to(
            CANARY,
            vec![
                Condition::Path {
                    value: TextMatch::Prefix("/beta/".into()),
                },
                Condition::Cookie {
                    name: "beta".into(),
                    value: TextMatch::Exact("1".into()),
                },
            ],
        ),
        to(
            CANARY,
            vec![Condition::User {
                any_of: vec!["ada".into(), "bob".into()],
            }],
        ),
        to(CANARY, vec![]),
    ];
    let table = RouteTable::new(&routes).unwrap();
    for (facts, expected, by) in [
        (&[("x-side", "canary")][..], CANARY, DecidedBy::Match(0)),
        (
            &[("x-side", "other"), ("x-user", "ada")],
            STABLE,
            DecidedBy::Match(1),
        ),
        (
            &[(":path", "/beta/x"), ("cookie", "a=2; beta=1")],
            CANARY,
            DecidedBy::Match(2),
        ),
        (
            &[(":path", "/beta/x"), ("cookie", "beta=2")],
            STABLE,
            DecidedBy::Weight,
        ),
        (
            &[(":path", "/beta"), ("cookie", "beta=1")],
            STABLE,
            DecidedBy::Weight,
        ),
        (&[("x-user", "bob")], CANARY, DecidedBy::Match(3)),
        (&[("x-user", "bobby")], STABLE, DecidedBy::Weight),
        (&[], STABLE, DecidedBy::Weight),
    ] {
        let decision = table.decide(&request(facts), 77).unwrap();
        assert_eq!(
            (decision.revision, decision.by),
            (expected, by),
            "{facts:?}"
        );
    }
}

#[test]
fn a_request_without_cookie_gets_one_that_keeps_it_where_it_is() {
    let table = RouteTable::new(&split(5_000, by_cookie())).unwrap();
    assert_eq!(table.cookie(), Some("side"));
    let mut sides = [0_u32; 2];
    for seed in 0..1_000_u64 {
        let draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = table.decide(&request(&[]), draw).unwrap();
        let cookie = format!("side={}", first.set_unit.unwrap());
        let second = table
            .decide(&request(&[("cookie", &cookie)]), !draw)
            .unwrap();
        assert_eq!(second.revision, first.revision);
        assert_eq!(second.set_unit, None);
        sides[usize::from(first.revision == CANARY)] += 1;
    }
    assert!(
        sides.iter().all(|count| (400..600).contains(count)),
        "{sides:?}"
    );
}

#[test]
fn an_empty_or_missing_header_is_assigned_by_chance() {
    let table = RouteTable::new(&split(5_000, by_user())).unwrap();
    for facts in [&[][..], &[("x-user", "")]] {
        assert_eq!(revision(&table, &request(facts), 0), CANARY);
        assert_eq!(revision(&table, &request(facts), u64::MAX), STABLE);
    }
}

#[test]
fn sequential_users_are_spread_evenly_over_the_buckets() {
    // 64 groups of equal weight, 128,000 users named by rising numbers: χ² with 63 degrees of
    // freedom exceeds 113 in 0.01 % of fair splits; the names are fixed, so the test is too.
    for names in ["user-{}", "{}", "0000{}@example.test"] {
        let mut counts = [0_u64; 64];
        for number in 0..128_000 {
            let name = names.replace("{}", &number.to_string());
            let group = (0..64).find(|group| {
                let end = (group + 1) * 10_000 / 64;
                let table_bucket =
                    sluice_routing::Salt::of_rollout(RolloutId(9)).bucket(name.as_bytes());
                usize::from(table_bucket) < end
            });
            counts[group.unwrap()] += 1;
        }
        // Ends are rounded to a bucket, so ranges differ by at most one in 156; that bias is far
        // below what the bound can see only when it is taken out of the expectation.
        let expected = |group: usize| {
            let width = (group + 1) * 10_000 / 64 - group * 10_000 / 64;
            128_000.0 * width as f64 / 10_000.0
        };
        let statistic: f64 = counts
            .iter()
            .enumerate()
            .map(|(group, count)| (*count as f64 - expected(group)).powi(2) / expected(group))
            .sum();
        assert!(statistic < 113.0, "χ² {statistic} for {names}");
    }
}

#[test]
fn a_split_is_independent_of_attributes_and_of_other_rollouts() {
    let bucket = |rollout, user: u32| {
        sluice_routing::Salt::of_rollout(RolloutId(rollout))
            .bucket(format!("user-{user}").as_bytes())
    };
    // Parity of the user's number, and the side in another rollout, against the side: 2×2 tables
    // flattened to four equal chances; χ² with 3 degrees of freedom exceeds 21.1 in 0.01 %.
    let mut by_parity = [0_u64; 4];
    let mut by_rollout = [0_u64; 4];
    for user in 0..100_000 {
        let side = usize::from(bucket(1, user) < 5_000);
        by_parity[side * 2 + user as usize % 2] += 1;
        by_rollout[side * 2 + usize::from(bucket(2, user) < 5_000)] += 1;
    }
    assert!(chi_square(&by_parity) < 21.1, "{by_parity:?}");
    assert!(chi_square(&by_rollout) < 21.1, "{by_rollout:?}");
}

#[test]
fn mirrors_copy_their_share_and_spare_writes() {
    let mut routes = split(0, Assignment::PerRequest);
    let share = Weight::from_percent(20.0).unwrap();
    let mut set = |share, unsafe_methods| {
        routes.mirror = Some(MirrorRoute {
            mirror: Mirror {
                share,
                unsafe_methods,
                compare: true,
            },
            revision: CANARY,
        });
        RouteTable::new(&routes).unwrap()
    };
    let copies = |table: &RouteTable, method: &str| {
        let request = request(&[(":method", method)]);
        (0..10_000_u64)
            .map(|seed| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .filter(|draw| table.decide(&request, *draw).unwrap().mirror.is_some())
            .count()
    };
    let careful = set(share, false);
    assert!((1_850..2_150).contains(&copies(&careful, "GET")));
    assert_eq!(copies(&careful, "POST"), 0);
    assert!(copies(&set(share, true), "POST") > 1_850);
    assert_eq!(copies(&set(Weight::FULL, true), "GET"), 10_000);
    assert_eq!(copies(&set(Weight::ZERO, true), "GET"), 0);
}

#[test]
fn the_revision_that_answers_gets_no_copy() {
    let mut routes = split(10_000, Assignment::PerRequest);
    routes.mirror = Some(MirrorRoute {
        mirror: Mirror {
            share: Weight::FULL,
            unsafe_methods: true,
            compare: false,
        },
        revision: CANARY,
    });
    let table = RouteTable::new(&routes).unwrap();
    assert_eq!(table.decide(&request(&[]), 5).unwrap().mirror, None);
}

#[test]
fn the_preview_address_leads_to_the_preview_revision_alone() {
    let mut routes = split(0, Assignment::PerRequest);
    assert_eq!(RouteTable::new(&routes).unwrap().decide_preview(), None);
    routes.preview = Some(CANARY);
    let decision = RouteTable::new(&routes).unwrap().decide_preview().unwrap();
    assert_eq!(
        (decision.revision, decision.by),
        (CANARY, DecidedBy::Preview)
    );
}

#[test]
fn the_fallback_is_the_larger_side_and_never_an_equal_canary() {
    for (canary, expected) in [(500, STABLE), (5_000, STABLE), (5_001, CANARY)] {
        let table = RouteTable::new(&split(canary, Assignment::PerRequest)).unwrap();
        assert_eq!(table.fallback(), Some(expected), "{canary}");
    }
}

proptest! {
    #[test]
    fn a_ramp_moves_units_to_the_canary_and_never_back(
        unit in "[a-zA-Z0-9@._-]{1,40}",
        weights in (0_u16..=10_000, 0_u16..=10_000),
        draw in any::<u64>(),
        assignment in prop_oneof![Just(by_user()), Just(by_cookie())],
    ) {
        let (low, high) = (weights.0.min(weights.1), weights.0.max(weights.1));
        let before = RouteTable::new(&split(low, assignment.clone())).unwrap();
        let after = RouteTable::new(&split(high, assignment)).unwrap();
        let cookie = format!("side={unit}");
        let request = request(&[("x-user", &unit), ("cookie", &cookie)]);
        if revision(&before, &request, draw) == CANARY {
            prop_assert_eq!(revision(&after, &request, !draw), CANARY);
        }
    }

    #[test]
    fn every_request_goes_to_a_revision_with_weight(
        shares in proptest::collection::vec(0_u16..=2_000, 1..5),
        canary in 1_u32..8,
        draw in any::<u64>(),
    ) {
        let mut weights: BTreeMap<_, _> = (1_u32..)
            .zip(&shares)
            .map(|(number, share)| (RevisionNumber(number), Weight::from_basis_points(*share).unwrap()))
            .collect();
        let rest = 10_000 - shares.iter().sum::<u16>();
        weights.insert(RevisionNumber(100), Weight::from_basis_points(rest).unwrap());
        let routes = Routes {
            weights: weights.clone(),
            canary: Some(RevisionNumber(canary)),
            ..Routes::default()
        };
        let table = RouteTable::new(&routes).unwrap();
        let decided = table.decide(&request(&[]), draw).unwrap().revision;
        prop_assert!(weights[&decided] > Weight::ZERO);
    }
}
