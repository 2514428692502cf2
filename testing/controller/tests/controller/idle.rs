//! A small sample of the comparison with Argo's controller, without Argo's: what a controller asks while nothing changes.

use crate::support::program;
use serde_json::Value;
use std::process::Command;

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn an_idle_controller_asks_for_its_lease_alone() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench-controller"))
        .arg("--sluice")
        .arg(program())
        .args(["--contestants=sluice", "--rollouts=30", "--updates=10"])
        .args(["--seconds=20", "--output=json"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    let measured = &results["measured"][0];
    let asked = measured["idle"]["requests"].as_object().unwrap();
    let others: Vec<&String> = asked
        .keys()
        .filter(|what| !what.ends_with(" leases") && !what.starts_with("watch "))
        .collect();
    assert_eq!(others, Vec::<&String>::new());
    assert!(
        asked.contains_key("update leases"),
        "its requests are seen: {asked:?}"
    );
    assert_eq!(measured["newSetMs"].as_array().unwrap().len(), 10);
}
