//! Strategies that chance chooses.

use super::{analysis, experiments, pick};
use crate::app::App;
use fastrand::Rng;
use serde_json::{Value, json};

/// Draws a strategy.
pub(super) fn draw(random: &mut Rng, app: App) -> Value {
    match random.u8(..10) {
        0..3 => json!({"canary": basic(random, app)}),
        3..7 => json!({"canary": routed(random, app)}),
        _ => json!({"blueGreen": blue_green(random, app)}),
    }
}

/// Steps of a canary, as its router allows them.
pub(crate) fn steps(random: &mut Rng, canary: &Value) -> Value {
    let is_routed = canary["trafficRouting"].is_object();
    let is_mesh = canary["trafficRouting"]["istio"].is_object();
    let mut weight = 0;
    let mut steps = Vec::new();
    for _ in 0..random.usize(0..=5) {
        let step = match random.u8(..100) {
            0..43 => {
                weight = (weight + random.i32(5..=50)).min(100);
                json!({"setWeight": weight})
            }
            43..57 => json!({"pause": {"duration": random.i32(1..=20)}}),
            57..65 => json!({"pause": {}}),
            65..82 => json!({"analysis": analysis::of_newest(random)}),
            82..90 => experiments::step(random, is_mesh && weight <= 90),
            _ if is_routed => json!({"setCanaryScale": match random.u8(..3) {
                0 => json!({"replicas": random.i32(1..=4)}),
                1 => json!({"weight": random.i32(10..=100)}),
                _ => json!({"matchTrafficWeight": true}),
            }}),
            _ => json!({"pause": {"duration": 2}}),
        };
        steps.push(step);
    }
    Value::Array(steps)
}

fn basic(random: &mut Rng, app: App) -> Value {
    let mut canary = json!({});
    canary["steps"] = steps(random, &canary);
    let (surge, unavailable) = pick(
        random,
        &[
            ("25%", "25%"),
            ("1", "0"),
            ("0", "1"),
            ("2", "1"),
            ("100%", "0"),
            ("0", "50%"),
            ("", ""),
        ],
    );
    for (field, text) in [("maxSurge", surge), ("maxUnavailable", unavailable)] {
        if let Ok(number) = text.parse::<i32>() {
            canary[field] = json!(number);
        } else if !text.is_empty() {
            canary[field] = json!(text);
        }
    }
    if random.bool() {
        name_services(app, &mut canary);
    }
    beside(random, &mut canary);
    canary
}

fn name_services(app: App, canary: &mut Value) {
    canary["stableService"] = json!(app.named("stable"));
    canary["canaryService"] = json!(app.named("canary"));
}

fn beside(random: &mut Rng, canary: &mut Value) {
    if random.u8(..100) < 30 {
        let mut analysis = analysis::of_newest(random);
        if random.bool() {
            analysis["startingStep"] = json!(random.i32(0..=1));
        }
        canary["analysis"] = analysis;
    }
    if random.u8(..100) < 25 {
        canary["canaryMetadata"] = json!({"labels": {"role": "canary"}});
        canary["stableMetadata"] = json!({"labels": {"role": "stable"}});
    }
}

fn routed(random: &mut Rng, app: App) -> Value {
    let mut canary = json!({});
    let mesh = json!({"virtualService": {"name": app.name}});
    match random.u8(..10) {
        0..5 => {
            name_services(app, &mut canary);
            canary["trafficRouting"] = json!({"nginx": {"stableIngress": app.name}});
        }
        5..7 => {
            name_services(app, &mut canary);
            canary["trafficRouting"] = json!({"istio": mesh});
        }
        7..9 => {
            canary["pingPong"] = json!({
                "pingService": app.named("ping"),
                "pongService": app.named("pong"),
            });
            canary["trafficRouting"] = json!({"istio": mesh});
        }
        _ => {
            canary["trafficRouting"] = json!({"istio": mesh});
            canary["trafficRouting"]["istio"]["destinationRule"] = json!({
                "name": app.name,
                "stableSubsetName": "stable",
                "canarySubsetName": "canary",
            });
        }
    }
    canary["steps"] = steps(random, &canary);
    let is_dynamic = random.u8(..100) < 45;
    if is_dynamic {
        canary["dynamicStableScale"] = json!(true);
    } else if random.bool() {
        canary["scaleDownDelaySeconds"] = json!(random.i32(0..=40));
    }
    if random.u8(..100) < 40 {
        canary["abortScaleDownDelaySeconds"] = json!(pick(random, &[0, 5, 30]));
    }
    if random.u8(..100) < 25 {
        canary["maxSurge"] = json!("25%");
    }
    if random.u8(..100) < 25 {
        canary["minPodsPerReplicaSet"] = json!(random.i32(1..=3));
    }
    beside(random, &mut canary);
    canary
}

fn blue_green(random: &mut Rng, app: App) -> Value {
    let mut blue_green = json!({"activeService": app.named("active")});
    let mut often = |percent: u8| random.u8(..100) < percent;
    let (preview, manual, later, smaller, before, after, delay, abort) = (
        often(75),
        often(35),
        often(30),
        often(35),
        often(35),
        often(35),
        often(40),
        often(30),
    );
    if preview {
        blue_green["previewService"] = json!(app.named("preview"));
    }
    if manual {
        blue_green["autoPromotionEnabled"] = json!(false);
    } else if later {
        blue_green["autoPromotionSeconds"] = json!(random.i32(1..=20));
    }
    if smaller {
        blue_green["previewReplicaCount"] = json!(random.i32(1..=3));
    }
    if before {
        blue_green["prePromotionAnalysis"] = analysis::of_newest(random);
    }
    if after {
        blue_green["postPromotionAnalysis"] = analysis::of_newest(random);
    }
    if delay {
        blue_green["scaleDownDelaySeconds"] = json!(random.i32(0..=40));
    }
    if abort {
        blue_green["abortScaleDownDelaySeconds"] = json!(pick(random, &[0, 5, 30]));
    }
    blue_green
}
