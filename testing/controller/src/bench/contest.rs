//! What is done with each controller: a cluster of its own, Rollouts, a time in which nothing changes, an update of many.

use crate::bench::board::Board;
use crate::bench::contestant::{Contestant, LEASE_NAMESPACE, Programs, Running};
use crate::bench::load::{self, NAMESPACE, Written};
use crate::bench::meter::{Meter, Used};
use anyhow::{Context, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Serialize;
use serde_json::json;
use sluice_cluster::{Cluster, ClusterName, Variant, wait_until};
use std::path::Path;
use std::time::{Duration, Instant};

/// Nodes that pretend.
const NODES: u32 = 10;
/// How long a controller may take to be ready for work.
const START_MAX: Duration = Duration::from_secs(60);
/// How long all Rollouts may take at least, and what each of them adds.
const HEALTHY_MAX: Duration = Duration::from_secs(180);
const HEALTHY_MAX_EACH: Duration = Duration::from_millis(500);
/// What a controller still does after all are Healthy, such as sending events, belongs to what went before: until it asked for
/// nothing during this long,
const QUIET: Duration = Duration::from_secs(15);
/// or this is over.
const AFTERMATH_MAX: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// How much is done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Rollouts.
    pub rollouts: u32,
    /// How many of these get another version at once; at most all.
    pub updates: u32,
    /// Seconds in which nothing changes.
    pub idle_seconds: u64,
}

/// What came of one controller.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Which.
    pub contestant: Contestant,
    /// What was done with it.
    pub settings: Settings,
    /// Resident memory before there was any Rollout, in bytes.
    pub rss_empty: u64,
    /// Until all Rollouts were Healthy, from the first one's creation; in seconds.
    pub created_healthy_seconds: f64,
    /// While they were created.
    pub creating: Used,
    /// While nothing changed.
    pub idle: Used,
    /// From a change of the spec until a new ReplicaSet was seen, of each updated Rollout, in milliseconds, sorted.
    pub new_set_ms: Vec<f64>,
    /// Until all updated Rollouts were Healthy, from the first change; in seconds.
    pub updated_healthy_seconds: f64,
    /// While they were updated.
    pub updating: Used,
    /// The most resident memory, in bytes.
    pub rss_peak: u64,
    /// The most memory with shared pages counted in part, of the looks taken.
    pub pss_peak: u64,
}

/// Measures one controller in a cluster of its own, which is gone afterwards.
///
/// # Errors
/// When the cluster or the controller does not come up, or the Rollouts do not become Healthy in time.
pub fn measure(
    programs: &Programs,
    contestant: Contestant,
    settings: &Settings,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Measured> {
    let name = ClusterName::for_tests("bench-controller", env!("CARGO_MANIFEST_DIR"));
    tell("starting a cluster");
    let cluster = Cluster::up(&name, Variant::Kwok { nodes: NODES })?;
    prepare(&cluster, programs)?;
    let measured = cluster.inside(|| -> Result<Measured> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut contest =
                Contest::begin(programs, contestant, settings, &cluster, tell).await?;
            tokio::select! {
                measured = contest.run() => measured,
                interrupt = tokio::signal::ctrl_c() => {
                    interrupt.context("an interrupt cannot be waited for")?;
                    bail!("interrupted")
                }
            }
        })
    })??;
    cluster.down()?;
    Ok(measured)
}

fn prepare(cluster: &Cluster, programs: &Programs) -> Result<()> {
    let definitions = tempfile::NamedTempFile::with_suffix(".yaml")?;
    std::fs::write(definitions.path(), programs.definitions()?)?;
    let path = definitions.path().display().to_string();
    cluster.kubectl(&["apply", "--server-side", "-f", &path])?;
    wait_until("the kind Rollout", START_MAX, || {
        let listed = cluster.kubectl(&["get", "rollouts"]);
        Ok(listed.err().map(|why| why.to_string()))
    })?;
    for namespace in [NAMESPACE, LEASE_NAMESPACE] {
        let metadata = json!({"name": namespace});
        cluster.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))?;
    }
    Ok(())
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

struct Contest<'a> {
    contestant: Contestant,
    settings: &'a Settings,
    client: Client,
    board: std::sync::Arc<Board>,
    running: Running,
    meter: Meter,
    tell: &'a (dyn Fn(&str) + Sync),
}

impl<'a> Contest<'a> {
    async fn begin(
        programs: &Programs,
        contestant: Contestant,
        settings: &'a Settings,
        cluster: &Cluster,
        tell: &'a (dyn Fn(&str) + Sync),
    ) -> Result<Self> {
        let client = client(&cluster.kubeconfig()).await?;
        let board = Board::watch(&client, NAMESPACE).await?;
        let running = Running::start(programs, contestant, cluster)?;
        let meter = Meter::new(running.number(), &cluster.audit_log());
        Ok(Self {
            contestant,
            settings,
            client,
            board,
            running,
            meter,
            tell,
        })
    }

    async fn run(&mut self) -> Result<Measured> {
        let Settings {
            rollouts,
            updates,
            idle_seconds,
        } = *self.settings;
        self.until_leading().await?;
        let rss_empty = self.meter.lap()?.rss;

        let began = Instant::now();
        (self.tell)(&format!("creating {rollouts} Rollouts"));
        let written = load::create(&self.client, rollouts, self.tell).await?;
        let healthy = self.until_healthy(&written).await?;
        self.until_quiet().await?;
        let creating = self.meter.lap()?;

        (self.tell)(&format!("nothing changes for {idle_seconds} s"));
        self.pass(Duration::from_secs(idle_seconds)).await?;
        let idle = self.meter.lap()?;

        (self.tell)(&format!("updating {updates} at once"));
        let update_began = Instant::now();
        let written = load::update(&self.client, updates).await?;
        let updated = self.until_healthy(&written).await?;
        self.until_quiet().await?;
        let updating = self.meter.lap()?;
        let (rss_peak, pss_peak) = self.meter.peaks()?;
        Ok(Measured {
            contestant: self.contestant,
            settings: self.settings.clone(),
            rss_empty,
            created_healthy_seconds: (healthy - began).as_secs_f64(),
            creating,
            idle,
            new_set_ms: self.new_sets(&written)?,
            updated_healthy_seconds: (updated - update_began).as_secs_f64(),
            updating,
            rss_peak,
            pss_peak,
        })
    }

    /// A controller leads once it holds its Lease; then it gets a moment for its lists.
    async fn until_leading(&mut self) -> Result<()> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{LEASE_NAMESPACE}/leases");
        let deadline = Instant::now() + START_MAX;
        loop {
            let request = http::Request::get(&path).body(Vec::new())?;
            let leases: serde_json::Value = self.client.request(request).await?;
            let is_held = leases["items"].as_array().is_some_and(|leases| {
                let holder =
                    |lease: &serde_json::Value| lease["spec"]["holderIdentity"].is_string();
                leases.iter().any(holder)
            });
            if is_held {
                return self.pass(Duration::from_secs(5)).await;
            }
            self.running.check()?;
            if Instant::now() > deadline {
                bail!(
                    "the controller did not take its Lease within {} s",
                    START_MAX.as_secs()
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until these are Healthy, and all other things being as they are; when the last of them became so.
    async fn until_healthy(&mut self, written: &[Written]) -> Result<Instant> {
        let wanted: Vec<(String, i64)> = written
            .iter()
            .map(|written| (written.name.clone(), written.generation))
            .collect();
        let patience = HEALTHY_MAX + HEALTHY_MAX_EACH * self.settings.rollouts;
        let began = Instant::now();
        let mut told = began;
        loop {
            let (healthy, last) = self.board.healthy(&wanted)?;
            if let Some(last) = last {
                return Ok(last);
            }
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                let (all, seconds) = (wanted.len(), began.elapsed().as_secs());
                (self.tell)(&format!("{healthy} of {all} are Healthy after {seconds} s"));
            }
            if began.elapsed() > patience {
                let all = wanted.len();
                bail!(
                    "after {} s only {healthy} of {all} Rollouts are Healthy",
                    patience.as_secs()
                );
            }
            self.pass(LOOK_EVERY).await?;
        }
    }

    /// Waits until the controller does nothing more.
    async fn until_quiet(&mut self) -> Result<()> {
        let began = Instant::now();
        self.meter.working()?;
        loop {
            self.pass(QUIET).await?;
            let requests = self.meter.working()?;
            if requests == 0 {
                return Ok(());
            }
            let seconds = began.elapsed().as_secs();
            (self.tell)(&format!(
                "all are Healthy since {seconds} s; {requests} requests lately"
            ));
            if began.elapsed() > AFTERMATH_MAX {
                return Ok(());
            }
        }
    }

    /// Lets time pass while the controller is looked at.
    async fn pass(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        loop {
            self.running.check()?;
            self.meter.glance()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
        }
    }

    fn new_sets(&self, written: &[Written]) -> Result<Vec<f64>> {
        let times: Option<Vec<f64>> = written
            .iter()
            .map(|written| {
                let seen = self.board.new_set_since(&written.name, written.sent)?;
                Some((seen - written.sent).as_secs_f64() * 1e3)
            })
            .collect();
        let mut times = times.context("a Rollout is Healthy without a new ReplicaSet")?;
        times.sort_by(f64::total_cmp);
        Ok(times)
    }
}
