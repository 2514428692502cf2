//! `simulate`: what a plan would do to releases of all kinds, before there is one. Needs no running Sluice.
//!
//! The simulation is `sluice-forecast`'s; `runs` spreads it over the cores, `text` and `plot` show what came
//! of it, `values` reads the options.

mod plot;
mod runs;
mod text;
pub(crate) mod values;

use super::args::SimulateArgs;
use super::chance::seeds;
use super::document;
use super::failure::{Exit, Failure};
use super::locate;
use super::output::Output;
use super::progress::Progress;
use serde::Serialize;
use sluice_forecast::{Course, Ending, Outlook, Release, Run, Summary, Traffic, outlook};
use sluice_model::ids::ServiceName;
use sluice_model::{Plan, millis};
use sluice_native::{Document, ServiceSpec};
use std::path::Path;
use std::time::Duration;

/// Releases of one simulation.
const RELEASES_MAX: usize = 50;

/// What is simulated, and what came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Simulation {
    service: ServiceName,
    strategy: &'static str,
    traffic: Traffic,
    runs: u64,
    seed: u64,
    /// How long a run is followed.
    #[serde(rename = "horizonMs", with = "millis")]
    horizon: Duration,
    /// Whether that is the plan's deadline.
    horizon_is_deadline: bool,
    releases: Vec<Simulated>,
    outlook: Outlook,
    /// What is not simulated.
    notes: Vec<String>,
}

/// One kind of release, and what came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Simulated {
    release: Release,
    #[serde(flatten)]
    summary: Summary,
    /// Seconds until it was found, by run, in rising order; for the plot.
    #[serde(skip)]
    found: Vec<f64>,
}

pub(crate) fn simulate(args: SimulateArgs, output: Output) -> Result<Exit, Failure> {
    let file = locate::document(args.file.as_deref())?;
    let document = document::valid(&file)?;
    let spec = service(&document, args.service.as_ref(), &file)?;
    let traffic = Traffic {
        rate: args.rate,
        errors: args.errors,
        client_errors: args.client_errors,
        latency: args.latency,
    };
    let unusable = |error: sluice_forecast::BadTraffic| {
        Failure::new(Exit::Usage, "traffic", error.to_string())
            .with_help("`sluice simulate --help` shows how traffic is described")
    };
    let course = Course::new(&spec.plan, traffic, args.horizon).map_err(unusable)?;
    let releases: Vec<Release> = std::iter::once(Release::AsGood)
        .chain(args.regression)
        .chain(args.slower)
        .collect();
    if releases.len() > RELEASES_MAX {
        let message = format!(
            "{} releases are too many for one simulation",
            releases.len()
        );
        return Err(Failure::new(Exit::Usage, "releases", message)
            .with_help(format!("ask for at most {RELEASES_MAX} at a time")));
    }
    let simulation = run(
        &spec.name, &spec.plan, &course, traffic, &releases, args.runs, args.seed,
    );
    if output.is_json() {
        output.json(&simulation)?;
    } else {
        output.lines(&text::lines(&simulation))?;
    }
    if let Some(path) = &args.plot {
        std::fs::write(path, plot::picture(&simulation)).map_err(|error| {
            Failure::file("write", path, &error)
                .with_help("name a file that can be written, in a folder that exists")
        })?;
    }
    Ok(Exit::Done)
}

/// The service that is meant.
fn service<'d>(
    document: &'d Document,
    named: Option<&ServiceName>,
    file: &Path,
) -> Result<&'d ServiceSpec, Failure> {
    let known: Vec<ServiceName> = document.services.iter().map(|it| it.name.clone()).collect();
    match (named, document.services.as_slice()) {
        (Some(name), all) => all.iter().find(|spec| spec.name == *name).ok_or_else(|| {
            let unknown = sluice_server::ApiError::unknown_service(name.as_str(), &known);
            sluice_server::ClientError::Api(unknown).into()
        }),
        (None, [only]) => Ok(only),
        (None, _) => {
            let names: Vec<&str> = known.iter().map(ServiceName::as_str).collect();
            let message = format!(
                "{} has several services: {}",
                file.display(),
                names.join(", ")
            );
            let first = names.first().copied().unwrap_or("SERVICE");
            Err(Failure::new(Exit::Usage, "which-service", message).with_help(format!(
                "their traffic differs; name one, as in `sluice simulate {} {first} --rate 200/s`",
                file.display()
            )))
        }
    }
}

fn run(
    service: &ServiceName,
    plan: &Plan,
    course: &Course,
    traffic: Traffic,
    releases: &[Release],
    runs: u64,
    seed: u64,
) -> Simulation {
    let mut progress = Progress::new("simulating", runs.saturating_mul(releases.len() as u64));
    let simulated = releases
        .iter()
        .zip(seeds(seed))
        .enumerate()
        .map(|(at, (release, seed))| {
            let before = runs.saturating_mul(at as u64);
            let all = runs::all(course, *release, seed, runs, |done| {
                progress.tell(before + done, &text::name(*release));
            });
            Simulated {
                release: *release,
                summary: Summary::of(&all),
                found: found(&all),
            }
        })
        .collect();
    progress.clear();
    Simulation {
        service: service.clone(),
        strategy: plan.strategy.as_str(),
        traffic,
        runs,
        seed,
        horizon: course.horizon(),
        horizon_is_deadline: course.has_deadline(),
        releases: simulated,
        outlook: outlook(course),
        notes: course.notes().to_vec(),
    }
}

fn found(runs: &[Run]) -> Vec<f64> {
    let mut seconds: Vec<f64> = runs
        .iter()
        .filter(|run| matches!(run.ending, Ending::TakenBack(_) | Ending::Held(_)))
        .map(|run| run.since_traffic.as_secs_f64())
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
services:
  checkout:
    run: [/bin/sleep, '1000']
    listen: 127.0.0.1:8080
    ready: /healthz
    release: {strategy: canary, steps: [5, 25, 50, 100], bake: 2m}
";

    fn simulation() -> Simulation {
        let parsed = sluice_native::parse("sluice.yaml", DOCUMENT, "/srv");
        let document = parsed.document.expect("valid");
        let spec = &document.services[0];
        let traffic = Traffic {
            rate: 200.0,
            errors: 0.001,
            client_errors: 0.01,
            latency: values::latency("20ms,200ms").expect("a latency"),
        };
        let course = Course::new(&spec.plan, traffic, None).expect("a course");
        let releases = [
            Release::AsGood,
            Release::Failing(0.005),
            Release::Failing(0.05),
            Release::Slower(2.0),
        ];
        run(&spec.name, &spec.plan, &course, traffic, &releases, 40, 1)
    }

    #[test]
    fn a_simulation_as_people_see_it() {
        let simulation = simulation();
        let lines = crate::view::text::plain_lines(&text::lines(&simulation));
        insta::assert_snapshot!("a_simulation_as_a_table", lines.join("\n"));
        insta::assert_snapshot!("a_simulation_as_a_plot", plot::picture(&simulation));
    }

    #[test]
    fn which_service_is_meant_must_be_clear() {
        let two = format!(
            "{DOCUMENT}  search:\n    run: [/bin/sleep, '9']\n    listen: 127.0.0.1:8081\n"
        );
        let parsed = sluice_native::parse("sluice.yaml", &two, "/srv");
        let document = parsed.document.expect("valid");
        let file = Path::new("sluice.yaml");
        let named = |name: &str| ServiceName::new(name).expect("a name");
        let found = service(&document, Some(&named("search")), file).expect("known");
        assert_eq!(found.name.as_str(), "search");
        let error = service(&document, None, file).expect_err("two");
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("checkout, search"), "{error}");
        assert!(
            error
                .help
                .expect("help")
                .contains("sluice.yaml checkout --rate")
        );
        assert_eq!(
            service(&document, Some(&named("serch")), file)
                .expect_err("unknown")
                .exit,
            Exit::Missing
        );
    }
}
