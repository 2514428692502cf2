//! The documented APIs of Graphite, Wavefront and InfluxDB.

use crate::support::{fetch_from, ok, reply};
use serde_json::{Value, json};
use sluice_metrics::{FetchErrorKind, GraphiteQuery, InfluxdbQuery, Query, Sample, WavefrontQuery};

fn graphite() -> Query {
    Query::Graphite(GraphiteQuery {
        target: "sum(a, '5min')".to_owned(),
        from: None,
        until: None,
    })
}

fn wavefront() -> Query {
    Query::Wavefront(WavefrontQuery {
        query: "ts(\"a\")".to_owned(),
    })
}

fn influxdb() -> Query {
    Query::Influxdb(InfluxdbQuery {
        org: "my shop".to_owned(),
        query: "from(bucket: \"a\") |> range(start: -15m)".to_owned(),
    })
}

#[tokio::test]
async fn graphite_renders_a_target_over_the_window() {
    let body = json!([
        {"target": "a", "tags": {"name": "a", "n": 1}, "datapoints": [[1.5, 10], [null, 20], ["2", 30]]},
        {"target": "b", "datapoints": [[null, 10]]},
    ]);
    let (fake, answered) = fetch_from(ok(&body.to_string()), &graphite()).await;
    assert_eq!(
        fake.only().line,
        "GET /render?target=sum%28a%2C%20%275min%27%29&from=1795273267&until=1795273567&format=json"
    );
    let answer = answered.unwrap();
    assert_eq!(answer.sample.values(), [1.5, 2.0]);
    let Sample::Series(series) = &answer.sample else {
        panic!("{answer:?}");
    };
    assert_eq!(series.len(), 2);
    assert_eq!(series[0].points[1].at.0, 30_000);
    let labels: Vec<(&str, &str)> = series[0]
        .labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(labels, [("n", "1"), ("name", "a"), ("target", "a")]);

    // Graphite's way to write infinities.
    let infinite = r#"[{"target": "a", "datapoints": [[1e9999, 10], [-1e9999, 20]]}]"#;
    let (_fake, answered) = fetch_from(ok(infinite), &graphite()).await;
    assert_eq!(
        answered.unwrap().sample.values(),
        [f64::INFINITY, f64::NEG_INFINITY]
    );

    let own = Query::Graphite(GraphiteQuery {
        target: "a".to_owned(),
        from: Some("-10min".to_owned()),
        until: Some("now".to_owned()),
    });
    let (fake, answered) = fetch_from(ok("[]"), &own).await;
    assert_eq!(
        fake.only().line,
        "GET /render?target=a&from=-10min&until=now&format=json"
    );
    assert!(answered.unwrap().sample.is_empty());
}

#[tokio::test]
async fn wavefront_gives_the_number_that_is_nearest_to_the_moment() {
    // The moment is 1795273567.089.
    let near = json!([[1_795_273_500, 1], [1_795_273_560, 2.5], [1_795_273_600, 3]]);
    let line = |host: &str, data: &Value| json!({"label": "a", "host": host, "tags": {"az": "x"}, "data": data});
    for (series, expected) in [
        (json!([]), Sample::Nothing),
        (json!([line("h", &json!([]))]), Sample::Nothing),
        (json!([line("h", &near)]), Sample::Scalar(2.5)),
        (
            json!([line("h", &json!([[1, "NaN"]]))]),
            Sample::Scalar(f64::NAN),
        ),
    ] {
        let body = json!({"timeseries": series}).to_string();
        let (fake, answered) = fetch_from(ok(&body), &wavefront()).await;
        assert_eq!(
            fake.only().line,
            "GET /api/v2/chart/api?q=ts%28%22a%22%29&s=1795273567089&e=1795273567089&g=s&p=1&i=true"
        );
        let sample = answered.unwrap().sample;
        let both_nan =
            |a: &[f64], b: &[f64]| matches!((a, b), ([a], [b]) if a.is_nan() && b.is_nan());
        assert!(
            sample == expected || both_nan(&sample.values(), &expected.values()),
            "{body}: {sample:?}"
        );
    }
    let body = json!({
        "timeseries": [line("h1", &near), line("h2", &json!([[1, 7]]))],
        "warnings": "a pattern matched too much",
    });
    let (_fake, answered) = fetch_from(ok(&body.to_string()), &wavefront()).await;
    let answer = answered.unwrap();
    assert_eq!(answer.warnings, ["a pattern matched too much"]);
    let Sample::Vector(elements) = &answer.sample else {
        panic!("{answer:?}");
    };
    assert_eq!(elements[1].labels["host"], "h2");
    assert_eq!(elements[1].labels["az"], "x");
    assert_eq!(elements[1].value, 7.0);

    for (answer, said) in [
        (
            ok(r#"{"errorType":"QuerySyntaxError","errorMessage":"no viable alternative"}"#),
            "answered: QuerySyntaxError: no viable alternative; correct the query",
        ),
        (
            reply("400 Bad Request", r#"{"errorMessage":"query is empty"}"#),
            "400 Bad Request: query is empty",
        ),
    ] {
        let (_fake, answered) = fetch_from(answer, &wavefront()).await;
        let error = answered.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::Rejected);
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }
}

#[tokio::test]
async fn influxdb_gives_the_value_of_every_record() {
    let csv = "\
#datatype,string,long,dateTime:RFC3339,double,string,string\r
#group,false,false,false,false,true,true\r
#default,_result,,,,,\r
,result,table,_time,_value,_field,host\r
,,0,2026-11-21T15:00:00Z,0.25,errors,\"a,b\"\r
,,0,2026-11-21T15:01:00Z,,errors,\"a,b\"\r
\r
#datatype,string,long,dateTime:RFC3339,long,string,string\r
#group,false,false,false,false,true,true\r
#default,_result,,,7,,\r
,result,table,_time,_value,_field,host\r
,,1,2026-11-21T15:00:00Z,3,errors,c\r
,,1,2026-11-21T15:01:00Z,,errors,c\r
,,1,2026-11-21T15:02:00Z,NaN,errors,c\r
";
    let (fake, answered) = fetch_from(ok(csv), &influxdb()).await;
    let got = fake.only();
    assert_eq!(got.line, "POST /api/v2/query?org=my%20shop");
    assert_eq!(got.header("accept"), Some("application/csv"));
    assert_eq!(
        got.json(),
        json!({
            "query": "from(bucket: \"a\") |> range(start: -15m)", "type": "flux",
            "now": "2026-11-21T15:06:07.089Z",
            "dialect": {"header": true, "delimiter": ",", "annotations": ["datatype", "group", "default"]},
        })
    );
    let answer = answered.unwrap();
    let Sample::Vector(elements) = &answer.sample else {
        panic!("{answer:?}");
    };
    assert_eq!(elements[0].labels["host"], "a,b");
    assert_eq!(elements[0].labels.len(), 2);
    let values = answer.sample.values();
    assert_eq!(
        values[..3],
        [0.25, 3.0, 7.0],
        "empty is null, or the default"
    );
    assert!(values[3].is_nan() && values.len() == 4, "{values:?}");
}

#[tokio::test]
async fn influxdb_without_numbers_without_records_and_with_errors() {
    let table = |datatype: &str, rows: &str| {
        format!(
            "#datatype,string,{datatype}\n#group,false,false\n#default,,\n,result,_value\n{rows}"
        )
    };
    for (csv, expected) in [
        (String::new(), Sample::Vector(Vec::new())),
        (table("double", ""), Sample::Vector(Vec::new())),
        (
            table("string", ",,up\n,,down\n"),
            Sample::Json(json!(["up", "down"])),
        ),
        (table("boolean", ",,true\n"), Sample::Json(json!([true]))),
    ] {
        let (_fake, answered) = fetch_from(ok(&csv), &influxdb()).await;
        assert_eq!(answered.unwrap().sample, expected, "{csv}");
    }
    let within = "#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n,bucket is gone,897\n";
    for (answer, kind, said) in [
        (
            ok(within),
            FetchErrorKind::Rejected,
            "answered: bucket is gone",
        ),
        (
            ok(&table("double", ",,x\n")),
            FetchErrorKind::Malformed,
            "answered `x` for a number",
        ),
        (
            ok("a,b\n1,2\n"),
            FetchErrorKind::Malformed,
            "a table without `_value`",
        ),
        (
            reply(
                "400 Bad Request",
                r#"{"code":"invalid","message":"compilation failed: undefined identifier"}"#,
            ),
            FetchErrorKind::Rejected,
            "400 Bad Request: compilation failed: undefined identifier; correct the query",
        ),
        (
            reply(
                "401 Unauthorized",
                r#"{"code":"unauthorized","message":"unauthorized access"}"#,
            ),
            FetchErrorKind::Unauthorized,
            "unauthorized access",
        ),
    ] {
        let (_fake, answered) = fetch_from(answer, &influxdb()).await;
        let error = answered.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }
}
