//! `tune`: limits for a service's checks from its history, and what its present checks would have done in it.
//!
//! What follows from a history is `sluice-tuning`'s; `recorded` gets it from a running Sluice or a file, `yaml` writes what
//! is proposed as a document has it, `text` shows it.

mod recorded;
mod text;
mod yaml;

use super::args::{Global, TuneArgs};
use super::chance::{Seeded, seeds};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::progress::Progress;
use super::{document, locate, parallel};
use serde::Serialize;
use sluice_model::ids::ServiceName;
use sluice_native::{Document, ServiceSpec};
use sluice_tuning::{Findings, Tuning, Untunable};

/// What is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tuned {
    service: ServiceName,
    strategy: &'static str,
    #[serde(flatten)]
    findings: Findings,
    /// What is proposed, as the document's `checks`.
    yaml: String,
}

pub(super) async fn tune(global: &Global, args: TuneArgs, output: Output) -> Result<Exit, Failure> {
    if let Some(path) = &args.export {
        let client = locate::client(global)?;
        let service = locate::service(&client, args.service).await?;
        let minutes = recorded::of_running(&client, &service, args.since).await?;
        recorded::write(path, &service, &minutes)?;
        let count = minutes.len();
        output.text(format!(
            "{count} minutes of {service} in {}",
            path.display()
        ))?;
        return Ok(Exit::Done);
    }
    let file = locate::document(args.file.as_deref())?;
    let document = document::valid(&file)?;
    let spec = service(&document, args.service.as_ref())?;
    let minutes = match &args.from {
        Some(path) => recorded::read(path, &spec.name, args.since)?,
        None => {
            let client = locate::client(global)?;
            recorded::of_running(&client, &spec.name, args.since).await?
        }
    };
    let tuning =
        Tuning::new(&spec.plan, minutes, args.target).map_err(|error| untunable(spec, error))?;
    let tuned = run(spec, &tuning, args.seed);
    if output.is_json() {
        output.json(&tuned)?;
    } else {
        output.lines(&text::lines(&tuned))?;
    }
    Ok(Exit::Done)
}

/// The service that is meant.
fn service<'d>(
    document: &'d Document,
    named: Option<&ServiceName>,
) -> Result<&'d ServiceSpec, Failure> {
    let known: Vec<ServiceName> = document.services.iter().map(|it| it.name.clone()).collect();
    match (named, document.services.as_slice()) {
        (Some(name), all) => all.iter().find(|spec| spec.name == *name).ok_or_else(|| {
            let unknown = sluice_server::ApiError::unknown_service(name.as_str(), &known);
            sluice_server::ClientError::Api(unknown).into()
        }),
        (None, [only]) => Ok(only),
        (None, _) => Err(locate::only_one(&known)),
    }
}

fn untunable(spec: &ServiceSpec, error: Untunable) -> Failure {
    let help = match error {
        Untunable::NoSplit => format!(
            "limits are tuned for `canary`, `blue-green` and `shadow`, and for steps with a weight; `{}` is {}",
            spec.name,
            spec.plan.strategy.as_str()
        ),
        Untunable::TooShort { .. } => {
            "let Sluice run for longer: it records each minute by itself; `--since` may also be too short".to_owned()
        }
        Untunable::NoRequests => {
            "let requests go through Sluice for some hours, and come again".to_owned()
        }
        Untunable::Target(_) => "write it as in `--target 1%`".to_owned(),
    };
    let exit = match error {
        Untunable::Target(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, "history", format!("{}: {error}", spec.name)).with_help(help)
}

fn run(spec: &ServiceSpec, tuning: &Tuning, seed: u64) -> Tuned {
    let count = tuning.rollouts();
    let seeds: Vec<u64> = seeds(seed).take(count).collect();
    let mut progress = Progress::new("replaying", count as u64);
    let replays = parallel::all(
        count as u64,
        |number| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let seed = seeds.get(number).copied().unwrap_or(seed);
            tuning.replay(number, &mut Seeded::new(seed))
        },
        |done| progress.tell(done, &format!("rollouts of {}", spec.name)),
    );
    progress.clear();
    let replays: Vec<_> = replays.into_iter().flatten().collect();
    let findings = tuning.conclude(&replays);
    Tuned {
        service: spec.name.clone(),
        strategy: spec.plan.strategy.as_str(),
        yaml: yaml::checks(&findings),
        findings,
    }
}
