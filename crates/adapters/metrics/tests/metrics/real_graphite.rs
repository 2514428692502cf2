//! A real Graphite over a real Whisper file.

use crate::program::{Program, free_port, last};
use crate::support::PATIENCE;
use sluice_metrics::{
    Answer, FetchError, FetchErrorKind, GraphiteQuery, Query, Sample, Secrets, Server, Source,
};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where Python finds graphite-web and Whisper.
const PYTHONPATH: &str = "SLUICE_TEST_GRAPHITE_PYTHONPATH";

const SETTINGS: &str = "\
from graphite.settings import *
SECRET_KEY = \"test\"
ALLOWED_HOSTS = [\"127.0.0.1\"]
";

/// Four points of the last minute.
const POINTS: &str = "\
import time, whisper
now = int(time.time())
place = \"storage/whisper/shop/ratio.wsp\"
whisper.create(place, [(10, 360)])
for index, value in enumerate([0.25, float(\"inf\"), float(\"nan\"), 3.0]):
    whisper.update(place, value, now - 60 + 10 * index)
";

fn start() -> (Program, Source) {
    let python_path = std::env::var(PYTHONPATH).unwrap_or_else(|_| {
        panic!("{PYTHONPATH} is not set; run `cargo xtask test --only metrics`")
    });
    let folder = tempfile::tempdir().unwrap();
    for place in ["storage/whisper/shop", "storage/log/webapp", "conf"] {
        std::fs::create_dir_all(folder.path().join(place)).unwrap();
    }
    std::fs::write(folder.path().join("test_settings.py"), SETTINGS).unwrap();
    let status = Command::new("python3")
        .args(["-c", POINTS])
        .current_dir(folder.path())
        .env("PYTHONPATH", &python_path)
        .status()
        .unwrap();
    assert!(status.success(), "no points");

    let port = free_port();
    let mut command = Command::new("python3");
    command
        .args(["-m", "django", "runserver", "--noreload"])
        .arg(format!("127.0.0.1:{port}"))
        .env(
            "PYTHONPATH",
            format!("{}:{python_path}", folder.path().display()),
        )
        .env("DJANGO_SETTINGS_MODULE", "test_settings")
        .env("GRAPHITE_STORAGE_DIR", folder.path().join("storage"))
        .env("GRAPHITE_CONF_DIR", folder.path().join("conf"));
    let mut server = Server::at(format!("http://127.0.0.1:{port}"));
    server.timeout = PATIENCE;
    let source = Source::new("shop metrics", &server, &Secrets::none()).unwrap();
    (Program::start(command, folder), source)
}

async fn ask(source: &Source, target: &str) -> Result<Answer, FetchError> {
    let query = Query::Graphite(GraphiteQuery {
        target: target.to_owned(),
        from: None,
        until: None,
    });
    source.fetch(&query, last(300)).await
}

#[tokio::test]
#[ignore = "part metrics: needs graphite"]
async fn a_real_graphite_renders_what_a_whisper_file_holds() {
    let (graphite, source) = start();
    let began = Instant::now();
    while let Err(error) = ask(&source, "shop.ratio").await {
        assert!(began.elapsed() < PATIENCE, "{error}\n{}", graphite.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    for (target, label, values) in [
        ("shop.ratio", "shop.ratio", [0.25, f64::INFINITY, 3.0]),
        (
            "alias(scale(shop.ratio, 2), 'a b, c')",
            "a b, c",
            [0.5, f64::INFINITY, 6.0],
        ),
    ] {
        let answer = ask(&source, target).await.unwrap();
        // Graphite has no NaN in its JSON: it is no data there.
        assert_eq!(answer.sample.values(), values, "{target}: {answer:?}");
        let Sample::Series(series) = &answer.sample else {
            panic!("a target gives series: {answer:?}");
        };
        assert_eq!(series[0].labels["target"], label);
        assert_eq!(series[0].labels["name"], "shop.ratio");
        assert!(series[0].points.is_sorted_by(|a, b| a.at < b.at));
    }
    assert!(
        ask(&source, "shop.unheard")
            .await
            .unwrap()
            .sample
            .is_empty()
    );
    let error = ask(&source, "nofunction(shop.ratio)").await.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Rejected, "{error}");
    assert!(
        error.to_string().contains("unknown function: nofunction"),
        "{error}"
    );
}
