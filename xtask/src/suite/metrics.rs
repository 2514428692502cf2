//! The part `metrics`: metric sources against a real Prometheus.
//!
//! The tests are those that are marked `#[ignore = "part metrics: …"]` in the crate of the metric
//! sources; the program is found on `PATH`.

use super::tally::Tally;
use super::{Context, rust};
use crate::debian::PROMETHEUS;
use anyhow::Result;

pub(super) fn installs() -> Result<Option<String>> {
    let what = format!(
        "Debian's {} (fetched and unpacked into the user's cache folder)",
        PROMETHEUS.package
    );
    Ok(PROMETHEUS.find()?.is_none().then_some(what))
}

pub(super) fn run(context: &Context<'_>) -> Result<Tally> {
    let place = if context.no_install {
        PROMETHEUS.find()?
    } else {
        Some(PROMETHEUS.obtain()?)
    };
    let Some(place) = place else {
        return Ok(Tally::skip(
            "metric sources with a real Prometheus",
            "prometheus is not there, and --no-install is set",
        ));
    };
    let folders = place.parent().map(Into::into).into_iter().collect();
    let arguments = [
        "-p",
        "sluice-metrics",
        "--test",
        "metrics",
        "--",
        "--ignored",
    ];
    rust::test(context, &arguments, &[("PATH", &rust::path_with(folders)?)])
}
