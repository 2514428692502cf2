use super::*;
use crate::bench::audit::Requests;
use crate::bench::contest::Settings;
use crate::bench::meter::Used;

fn measured(contestant: Contestant, rss: u64, cpu: f64, idle: &[(&str, u64)]) -> Measured {
    let used = Used {
        seconds: 60.0,
        cpu_seconds: cpu,
        requests: Requests::default(),
        rss,
        pss: rss,
    };
    let requests = idle
        .iter()
        .map(|(what, count)| ((*what).to_owned(), *count));
    let requests = Requests(requests.collect());
    Measured {
        contestant,
        settings: Settings {
            rollouts: PROMISED_AT,
            updates: 500,
            idle_seconds: 60,
        },
        rss_empty: 1,
        created_healthy_seconds: 9.0,
        creating: used.clone(),
        idle: Used {
            requests,
            ..used.clone()
        },
        new_set_ms: vec![1.0, 2.0, 3.0],
        updated_healthy_seconds: 8.0,
        updating: used,
        rss_peak: rss,
        pss_peak: rss,
    }
}

fn results(sluice: Measured) -> Results {
    let argo = measured(Contestant::Argo, 1_000_000, 10.0, &[("update leases", 5)]);
    Results {
        versions: BTreeMap::new(),
        cores: 2,
        measured: vec![argo, sluice],
    }
}

#[test]
fn a_promise_is_kept_up_to_its_share_and_not_beyond() {
    let idle = [("update leases", 30), ("watch rollouts", 2)];
    let asks = [("list pods", 1)];
    let cases = [
        (100_000, 2.0, &idle[..], [true; 5]),
        (100_001, 2.0, &idle, [true, false, true, true, true]),
        (100_000, 2.01, &idle, [true, true, false, false, false]),
        (100_000, 2.0, &asks, [false, true, true, true, true]),
    ];
    for (rss, cpu, idle, kept) in cases {
        let results = results(measured(Contestant::Sluice, rss, cpu, idle));
        let promises = results.promises();
        let seen: Vec<bool> = promises.iter().map(|promise| promise.kept).collect();
        assert_eq!(seen, kept, "{promises:?}");
    }
}

#[test]
fn the_document_has_a_row_for_each_figure_with_its_ratio() {
    let sluice = measured(
        Contestant::Sluice,
        50_000,
        1.0,
        &[("watch rollouts", 2), ("update leases", 30)],
    );
    let document = results(sluice).document();
    for wanted in [
        "## 5,000 Rollouts",
        "| Argo Rollouts | Sluice | ratio |",
        "| processor time, idle | 10.00 s | 1.00 s | 0.10 |",
        "| `watch rollouts` | | | | 2 | | |",
    ] {
        assert!(document.contains(wanted), "no {wanted} in:\n{document}");
    }
}
