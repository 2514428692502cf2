//! InfluxDB 2: a Flux query.
//!
//! Source: docs.influxdata.com, "InfluxDB v2 API": `POST /api/v2/query`, and "Annotated CSV". The
//! token is given with the scheme `Token`. Relative times in the query end at the window's end; its
//! beginning is the query's own (`range`). The real server cannot run here: the tests speak the
//! documented API.

use crate::answer;
use crate::error::{FetchError, FetchErrorKind};
use crate::query::Window;
use crate::sample::{Answer, Element, Sample};
use crate::transport::{Body, Request, Transport};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const QUERY_STEP: &str = "correct the query (InfluxDB's data explorer shows it best)";
const ADDRESS_STEP: &str = "see that the source's address is that of InfluxDB 2";

/// A Flux query; the sample is the `_value` of every record, with the columns of the group key as
/// labels. When the values are no numbers, it is a JSON list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InfluxdbQuery {
    /// The organization's name.
    pub org: String,
    /// Flux.
    pub query: String,
}

#[derive(Deserialize)]
struct Refused {
    message: String,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &InfluxdbQuery,
    window: Window,
) -> Result<Answer, FetchError> {
    let body = json!({
        "query": query.query,
        "type": "flux",
        "now": window.end.to_string(),
        "dialect": {
            "header": true,
            "delimiter": ",",
            "annotations": ["datatype", "group", "default"],
        },
    });
    let mut request = Request::post("/api/v2/query", Body::json(&body));
    request.parameters = vec![("org".to_owned(), query.org.clone())];
    request.accept = "application/csv";
    let reply = transport.send(request).await?;
    let origin = transport.origin();
    if !reply.status.is_success() {
        let said = serde_json::from_slice::<Refused>(&reply.body).ok();
        let said = said.map(|refused| refused.message);
        return Err(answer::refusal(&reply, &origin, said, QUERY_STEP));
    }
    let records = read(&reply.body, &origin)?;
    Ok(sample(records).into())
}

/// One record of the answer.
struct Record {
    labels: BTreeMap<String, String>,
    value: Value,
    number: Option<f64>,
}

/// What the annotations say of the rows that follow.
#[derive(Default)]
struct Table {
    datatypes: Vec<String>,
    groups: Vec<bool>,
    defaults: Vec<String>,
    header: Vec<String>,
}

fn read(body: &[u8], origin: &str) -> Result<Vec<Record>, FetchError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(body);
    let mut table = Table::default();
    let mut records = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| {
            FetchError::malformed(format!("{origin} answered no CSV: {error}"), ADDRESS_STEP)
        })?;
        let cells: Vec<&str> = row.iter().collect();
        let owned = || cells.iter().map(|cell| (*cell).to_owned()).collect();
        match cells.first().copied() {
            Some("#datatype") => {
                // The first annotation of a table.
                table = Table {
                    datatypes: owned(),
                    ..Table::default()
                };
            }
            Some("#group") => table.groups = cells.iter().map(|cell| *cell == "true").collect(),
            Some("#default") => table.defaults = owned(),
            _ if table.header.is_empty() => {
                table.header = owned();
                table.check_header(origin)?;
            }
            _ => records.extend(table.record(&cells, origin)?),
        }
    }
    Ok(records)
}

impl Table {
    fn cell<'a>(&'a self, cells: &[&'a str], name: &str) -> Option<&'a str> {
        let place = self.header.iter().position(|column| column == name)?;
        let default = self.defaults.get(place).map(String::as_str);
        let cell = cells.get(place).copied().filter(|cell| !cell.is_empty());
        cell.or(default.filter(|default| !default.is_empty()))
    }

    fn check_header(&self, origin: &str) -> Result<(), FetchError> {
        let is_known = |column: &String| column == "_value" || column == "error";
        if self.header.iter().any(is_known) {
            return Ok(());
        }
        Err(FetchError::malformed(
            format!("{origin} answered a table without `_value`"),
            "keep the column `_value` in the query, or see that the source's address is that of InfluxDB 2",
        ))
    }

    fn record(&self, cells: &[&str], origin: &str) -> Result<Option<Record>, FetchError> {
        // An error that comes up within an answer is a table of its own.
        if let Some(error) = self.cell(cells, "error") {
            return Err(FetchError::new(
                FetchErrorKind::Rejected,
                format!("{origin} answered: {}", answer::first_line(error)),
                QUERY_STEP,
            ));
        }
        let place = self.header.iter().position(|column| column == "_value");
        // An empty cell is null.
        let Some(text) = self.cell(cells, "_value") else {
            return Ok(None);
        };
        let datatype = place.and_then(|place| self.datatypes.get(place));
        let datatype = datatype.map_or("string", String::as_str);
        let (value, number) = match datatype {
            "double" | "long" | "unsignedLong" => {
                let number: f64 = text.parse().map_err(|_| {
                    FetchError::malformed(
                        format!(
                            "{origin} answered `{}` for a number",
                            answer::first_line(text)
                        ),
                        ADDRESS_STEP,
                    )
                })?;
                (json!(number), Some(number))
            }
            "boolean" => (json!(text == "true"), None),
            _ => (json!(text), None),
        };
        let mut labels = BTreeMap::new();
        for (place, name) in self.header.iter().enumerate() {
            let is_key = self.groups.get(place).copied().unwrap_or(false);
            if is_key && let Some(text) = self.cell(cells, name) {
                labels.insert(name.clone(), text.to_owned());
            }
        }
        Ok(Some(Record {
            labels,
            value,
            number,
        }))
    }
}

fn sample(records: Vec<Record>) -> Sample {
    let elements: Option<Vec<Element>> = records
        .iter()
        .map(|record| {
            Some(Element {
                labels: record.labels.clone(),
                value: record.number?,
            })
        })
        .collect();
    match elements {
        Some(elements) => Sample::Vector(elements),
        None => {
            let values = records.into_iter().map(|record| record.value);
            Sample::Json(Value::Array(values.collect()))
        }
    }
}
