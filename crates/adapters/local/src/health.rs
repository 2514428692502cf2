//! When a replica is probed, and what the answers mean for it.
//!
//! Until a replica is ready for the first time it is asked quickly, with growing pauses, so that
//! its start is not as slow as the probe's period; afterwards once a period. The startup probe holds
//! the others back. How one probe is done is in `probe`; what follows from an event in `supervise`.

use crate::probe::Probing;
use sluice_model::workload::{Probe, ProbeAction, Workload};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// First pause between two probes of a replica that is starting; each next one is a quarter longer, up
/// to the period, so that a start is seen at most a quarter late.
const STARTING_POLL: Duration = Duration::from_millis(20);
/// Events that wait to be heard; the supervisor hears them at once.
pub(crate) const EVENTS_MAX: usize = 8;

/// What the probes found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HealthEvent {
    /// It may get traffic.
    Ready,
    /// It may not, or no longer, for this reason.
    Unready(String),
    /// It must be restarted, for this reason.
    Restart(String),
}

/// The probe of a workload that declares none: somebody listens. It is not asked again once it has
/// passed, for a connection without a request disturbs some services; the process's end is seen
/// anyway.
fn listening() -> Probe {
    Probe {
        action: ProbeAction::Tcp,
        period: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        initial_delay: Duration::ZERO,
        failures: 3,
        successes: 1,
    }
}

/// Probes a replica until it must be restarted, or nobody listens. With `adopted` it runs already:
/// initial delays are over, and the startup probe has passed.
pub(crate) async fn watch(
    prober: impl Probing,
    workload: Workload,
    adopted: bool,
    events: mpsc::Sender<HealthEvent>,
) {
    if let Some(startup) = workload.startup.as_ref().filter(|_| !adopted)
        && let Err(reason) = pass_startup(&prober, startup, &events).await
    {
        send(&events, HealthEvent::Restart(reason)).await;
        return;
    }
    tokio::join!(
        watch_readiness(&prober, workload.readiness.as_ref(), adopted, &events),
        watch_liveness(&prober, workload.liveness.as_ref(), adopted, &events),
    );
}

async fn pass_startup(
    prober: &impl Probing,
    probe: &Probe,
    events: &mpsc::Sender<HealthEvent>,
) -> Result<(), String> {
    sleep(probe.initial_delay).await;
    let mut poll = QuickPoll::new(probe);
    let mut passed = 0;
    loop {
        match prober.probe(&probe.action, probe.timeout).await {
            Ok(()) => {
                passed += 1;
                if passed >= probe.successes.max(1) {
                    return Ok(());
                }
            }
            Err(reason) if poll.is_over() => {
                return Err(format!(
                    "startup probe failed for {:?}: {reason}",
                    poll.patience
                ));
            }
            Err(reason) => {
                passed = 0;
                tracing::debug!(%reason, "startup probe");
                if events.is_closed() {
                    return Ok(());
                }
            }
        }
        sleep(poll.next_pause()).await;
    }
}

async fn watch_readiness(
    prober: &impl Probing,
    declared: Option<&Probe>,
    adopted: bool,
    events: &mpsc::Sender<HealthEvent>,
) {
    let default = listening();
    let probe = declared.unwrap_or(&default);
    if !adopted {
        sleep(probe.initial_delay).await;
    }
    let mut poll = QuickPoll::new(probe);
    let (mut passed, mut failed) = (0_u32, 0_u32);
    let mut ready = false;
    let mut first = true;
    let mut said: Option<HealthEvent> = None;
    loop {
        let answer = prober.probe(&probe.action, probe.timeout).await;
        let event = match answer {
            Ok(()) => {
                (passed, failed) = (passed.saturating_add(1), 0);
                first = false;
                (!ready && passed >= probe.successes.max(1)).then_some(HealthEvent::Ready)
            }
            Err(reason) => {
                (passed, failed) = (0, failed.saturating_add(1));
                let lost = ready && failed >= probe.failures.max(1);
                // While it starts, a refused connection is not worth a word until its time is up.
                let overdue = !ready && (!first || poll.is_over());
                (lost || overdue).then(|| HealthEvent::Unready(format!("not ready: {reason}")))
            }
        };
        // The same reason is not news each period.
        if let Some(event) = event.filter(|event| said.as_ref() != Some(event)) {
            ready = event == HealthEvent::Ready;
            said = Some(event.clone());
            if !send(events, event).await {
                return;
            }
        }
        if ready && declared.is_none() {
            return;
        }
        sleep(if first {
            poll.next_pause()
        } else {
            period(probe)
        })
        .await;
    }
}

async fn watch_liveness(
    prober: &impl Probing,
    declared: Option<&Probe>,
    adopted: bool,
    events: &mpsc::Sender<HealthEvent>,
) {
    let Some(probe) = declared else { return };
    if !adopted {
        sleep(probe.initial_delay).await;
    }
    let mut failed = 0;
    loop {
        match prober.probe(&probe.action, probe.timeout).await {
            Ok(()) => failed = 0,
            Err(reason) => {
                failed += 1;
                if failed >= probe.failures.max(1) {
                    let reason = format!("liveness probe failed {failed} times in a row: {reason}");
                    send(events, HealthEvent::Restart(reason)).await;
                    return;
                }
            }
        }
        sleep(period(probe)).await;
    }
}

/// The pace of a probe: no faster than a start is polled, whatever is asked for.
fn period(probe: &Probe) -> Duration {
    probe.period.max(STARTING_POLL)
}

/// Whether somebody still listens.
async fn send(events: &mpsc::Sender<HealthEvent>, event: HealthEvent) -> bool {
    events.send(event).await.is_ok()
}

/// The growing pauses of a replica that is starting.
struct QuickPoll {
    pause: Duration,
    period: Duration,
    began: Instant,
    /// How long failures are part of starting: as long as so many failures at the period's pace.
    patience: Duration,
}

impl QuickPoll {
    fn new(probe: &Probe) -> QuickPoll {
        QuickPoll {
            pause: STARTING_POLL,
            period: period(probe),
            began: Instant::now(),
            patience: period(probe).saturating_mul(probe.failures.max(1)),
        }
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.patience
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause.min(self.period);
        self.pause = pause.saturating_add(pause / 4);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice::from_ref;
    use std::sync::Mutex;

    /// A replica whose probes pass in the spans (of milliseconds since its start) of a script.
    struct Script {
        began: Instant,
        passes: Vec<std::ops::Range<u64>>,
        asked: std::sync::Arc<Mutex<Vec<u64>>>,
    }

    impl Probing for Script {
        async fn probe(&self, _: &ProbeAction, _: Duration) -> Result<(), String> {
            let at = u64::try_from(self.began.elapsed().as_millis()).expect("a short test");
            self.asked.lock().expect("no panic").push(at);
            if self.passes.iter().any(|span| span.contains(&at)) {
                Ok(())
            } else {
                Err("no".to_owned())
            }
        }
    }

    fn probe(period_s: u64, failures: u32, successes: u32) -> Probe {
        Probe {
            action: ProbeAction::Tcp,
            period: Duration::from_secs(period_s),
            timeout: Duration::from_secs(1),
            initial_delay: Duration::ZERO,
            failures,
            successes,
        }
    }

    fn workload() -> Workload {
        Workload {
            command: vec!["server".to_owned()],
            artifacts: Vec::new(),
            env: Default::default(),
            env_files: Vec::new(),
            workdir: "/".to_owned(),
            user: None,
            readiness: None,
            liveness: None,
            startup: None,
            stop: sluice_model::workload::Stopping {
                drain: Duration::ZERO,
                grace: Duration::ZERO,
            },
        }
    }

    /// The events of the first `seconds`, each with its second, and when it was asked (in ms).
    async fn story(
        workload: Workload,
        adopted: bool,
        passes: &[std::ops::Range<u64>],
        seconds: u64,
    ) -> (Vec<(u64, HealthEvent)>, Vec<u64>) {
        let (sender, mut events) = mpsc::channel(EVENTS_MAX);
        let began = Instant::now();
        let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
        let script = Script {
            began,
            passes: passes.to_vec(),
            asked: asked.clone(),
        };
        let task = tokio::spawn(watch(script, workload, adopted, sender));
        let mut heard = Vec::new();
        let end = began + Duration::from_secs(seconds);
        while let Ok(Some(event)) = tokio::time::timeout_at(end, events.recv()).await {
            heard.push((began.elapsed().as_secs(), event));
        }
        task.abort();
        let asked = asked.lock().expect("no panic").clone();
        (heard, asked)
    }

    fn unready() -> HealthEvent {
        HealthEvent::Unready("not ready: no".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_period_does_not_delay_the_start() {
        let workload = Workload {
            readiness: Some(probe(10, 3, 1)),
            ..workload()
        };
        let (events, asked) = story(workload, false, from_ref(&(500..u64::MAX)), 60).await;
        assert_eq!(events, [(0, HealthEvent::Ready)]);
        assert!(asked[..6].iter().all(|at| *at < 1_000), "{asked:?}");
        let later = asked.iter().filter(|at| **at >= 1_000).count();
        assert!(later <= 6, "once a period after it was ready: {asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn readiness_is_lost_after_failures_in_a_row_and_comes_back() {
        let workload = Workload {
            readiness: Some(probe(1, 3, 2)),
            ..workload()
        };
        let spans = [0..5_000, 6_500..10_000, 15_000..u64::MAX];
        let (events, _) = story(workload, false, &spans, 30).await;
        let kinds: Vec<_> = events.iter().map(|(_, event)| event.clone()).collect();
        let (first, last) = (kinds.first(), kinds.last());
        assert_eq!(
            (first, last),
            (Some(&HealthEvent::Ready), Some(&HealthEvent::Ready))
        );
        assert!(
            events
                .iter()
                .all(|(at, event)| *event != unready() || (12..15).contains(at)),
            "{events:?}"
        );
        assert!(kinds.contains(&unready()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_never_passes_is_reported_when_its_patience_is_over() {
        let workload = Workload {
            readiness: Some(probe(2, 3, 1)),
            ..workload()
        };
        let (events, _) = story(workload, false, &[], 30).await;
        assert!(
            events
                .iter()
                .all(|(at, event)| *event == unready() && *at >= 6),
            "{events:?}"
        );
        assert!(!events.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_probe_listening_is_ready_and_is_asked_only_until_then() {
        let (events, asked) = story(workload(), false, from_ref(&(300..u64::MAX)), 60).await;
        assert_eq!(events, [(0, HealthEvent::Ready)]);
        assert!(asked.last().is_some_and(|at| *at < 1_000), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_startup_probe_holds_the_others_back_and_restarts_what_never_starts() {
        let slow = Workload {
            startup: Some(probe(1, 10, 1)),
            liveness: Some(probe(1, 1, 1)),
            ..workload()
        };
        let (events, _) = story(slow.clone(), false, from_ref(&(5_000..u64::MAX)), 30).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].1, HealthEvent::Ready);
        let (events, _) = story(slow.clone(), false, &[], 60).await;
        assert!(
            matches!(&events[..], [(10.., HealthEvent::Restart(reason))] if reason.starts_with("startup")),
            "{events:?}"
        );
        let (events, _) = story(slow, true, from_ref(&(0..20_000)), 10).await;
        assert_eq!(
            events,
            [(0, HealthEvent::Ready)],
            "an adopted replica has started long ago"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn liveness_restarts_after_its_failures_in_a_row() {
        let workload = Workload {
            liveness: Some(probe(1, 3, 1)),
            ..workload()
        };
        let (events, _) = story(workload, false, &[0..4_500, 6_500..10_000], 60).await;
        let restart = "liveness probe failed 3 times in a row: no".to_owned();
        assert_eq!(
            events,
            [(0, HealthEvent::Ready), (12, HealthEvent::Restart(restart))]
        );
    }
}
