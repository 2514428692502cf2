//! The product, as a program: started on a folder of its own, told to release, asked for its log.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use sluice_decisions::cases::BASELINE_ERRORS;
use sluice_decisions::report::{RELEASES, Release, WEIGHT_PERCENT};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the stable and the new revision call themselves.
const STABLE_VERSION: &str = "1";
pub(crate) const CANARY_VERSION: &str = "2";
/// Longest wait for the services to be up, for a release to begin, and for the end.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running Sluice; it ends with this value.
pub(super) struct Product {
    program: PathBuf,
    folder: PathBuf,
    running: Child,
}

impl Product {
    /// Starts it with a service for each release, and waits until all have a stable revision.
    pub(super) fn start(program: &Path) -> Result<Product> {
        let program = fs::canonicalize(program)
            .with_context(|| format!("{} is not there; build the product", program.display()))?;
        let folder = std::env::temp_dir().join(format!("sluice-record-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("{} is needed", folder.display()))?;
        fs::write(folder.join("sluice.yaml"), document(&program))?;
        let log = File::create(folder.join("up.log"))?;
        let running = Command::new(&program)
            .arg("up")
            .current_dir(&folder)
            .env_remove("SLUICE_STATE")
            .env_remove("SLUICE_SERVER")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} could not be started", program.display()))?;
        let product = Product {
            program,
            folder,
            running,
        };
        for release in RELEASES {
            product.until(&format!("{} is up", release.name), || {
                let status = product.json(&["status", release.name])?;
                Ok((status["phase"] == "Healthy").then_some(()))
            })?;
        }
        Ok(product)
    }

    /// Where a service is reached.
    pub(super) fn address(&self, service: &str) -> Result<SocketAddr> {
        let status = self.json(&["status", service])?;
        let listen = status["listen"].as_str().unwrap_or_default();
        listen
            .parse()
            .with_context(|| format!("{service} listens on `{listen}`"))
    }

    /// Begins the release, and waits until the new side has its weight.
    pub(super) fn deploy(&self, release: &Release) -> Result<()> {
        let fails = format!("DEMO_FAIL_RATIO={}", release.fail_ratio);
        let version = format!("DEMO_VERSION={CANARY_VERSION}");
        let words = ["deploy", release.name, "--env", &fails, "--env", &version];
        self.json(&words)?;
        self.until("the canary has its weight", || {
            Ok(self.weighted_at_us(release.name).ok())
        })?;
        Ok(())
    }

    /// When it was decided that the new side gets its weight, in microseconds since the Unix epoch.
    pub(super) fn weighted_at_us(&self, service: &str) -> Result<u64> {
        let entries = self.json(&["audit", "show", service])?;
        let entries = entries.as_array().context("a list of entries")?;
        let step = format!("{WEIGHT_PERCENT} %");
        let entered = entries.iter().find(|entry| {
            let message = entry["message"].as_str().unwrap_or_default();
            entry["rule"] == "stepEntered" && message.contains(&step)
        });
        let at = entered.and_then(|entry| entry["at"].as_u64());
        Ok(at.context("the step has not begun")? * 1_000)
    }

    /// Ends it and its services.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.json(&["stop", "--now"])?;
        let begun = Instant::now();
        while self.running.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "Sluice does not end");
            std::thread::sleep(LOOK_EVERY);
        }
        fs::remove_dir_all(&self.folder).with_context(|| format!("{} stays", self.folder.display()))
    }

    fn until<T>(&self, what: &str, look: impl Fn() -> Result<Option<T>>) -> Result<T> {
        let begun = Instant::now();
        loop {
            let found = look();
            match found {
                Ok(Some(found)) => return Ok(found),
                Err(error) if begun.elapsed() > PATIENCE => {
                    return Err(error.context(format!("waiting until {what}")));
                }
                Ok(None) if begun.elapsed() > PATIENCE => {
                    bail!("waited for {} s until {what}", PATIENCE.as_secs())
                }
                Ok(None) | Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn json(&self, words: &[&str]) -> Result<Value> {
        let output = Command::new(&self.program)
            .args(words)
            .args(["-o", "json"])
            .current_dir(&self.folder)
            .env_remove("SLUICE_STATE")
            .env_remove("SLUICE_SERVER")
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`sluice {}`: {}", words.join(" "), said.trim());
        }
        if output.stdout.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).context("an answer in JSON")
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if matches!(self.running.try_wait(), Ok(None)) {
            // In order, so that its services end too; what cannot be ended so is killed.
            if self.json(&["stop", "--now"]).is_err() {
                drop(self.running.kill());
            }
            drop(self.running.wait());
        }
    }
}

fn document(program: &Path) -> String {
    let service = |release: &Release| {
        format!(
            "  {}:\n    run: {} demo-service --port $PORT\n    env: {{DEMO_VERSION: \"{STABLE_VERSION}\", DEMO_FAIL_RATIO: \"{BASELINE_ERRORS}\"}}\n    \
             listen: 127.0.0.1:0\n    ready: /healthz\n    release: {{strategy: canary, steps: [{WEIGHT_PERCENT}, 100], bake: 1h, checks: none}}\n",
            release.name,
            program.display()
        )
    };
    let services: String = RELEASES.iter().map(service).collect();
    format!("services:\n{services}")
}
