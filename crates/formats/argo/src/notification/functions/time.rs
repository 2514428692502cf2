//! `.time.Now` and `.time.Parse`, and `call`, which runs them.

use super::given::{Given, at, int, text, wrong};
use crate::api::Time;
use gtmpl_ng::Value;
use sluice_model::time::Timestamp;

/// What marks a value as one of `.time`'s functions.
const MARK: &str = "\u{0}time";

/// `.time`: functions that `call` knows.
pub(in crate::notification) fn time(now: Timestamp) -> Value {
    let function = |name: &str| {
        let mark = (MARK.to_owned(), Value::from(name));
        Value::Map([mark, ("now".to_owned(), now.0.into())].into())
    };
    Value::Map(
        [
            ("Now".to_owned(), function("Now")),
            ("Parse".to_owned(), function("Parse")),
        ]
        .into(),
    )
}

pub(super) fn call(given: &[Value]) -> Given {
    let function = match at(given, 0)? {
        Value::Map(entries) => entries.get(MARK).map(text),
        _ => None,
    };
    match (function.as_deref(), &given[1..]) {
        (Some("Now"), []) => match at(given, 0)? {
            Value::Map(entries) => Ok(moment(int(entries.get("now").unwrap_or(&Value::Nil)))),
            _ => Err(wrong("call: there is no function")),
        },
        (Some("Parse"), [written]) => match Time::parse(&text(written)) {
            Ok(time) => Ok(moment(time.0.0)),
            Err(cause) => Err(wrong(cause)),
        },
        _ => Err(wrong(
            "call takes a function and its arguments; there are `.time.Now` and `.time.Parse TEXT`",
        )),
    }
}

/// A time, with what can be asked of it without an argument.
fn moment(milliseconds: i64) -> Value {
    let moment = Timestamp(milliseconds);
    let (year, month, day, hour, minute, second, _) = moment.civil();
    let numbers = [
        ("Unix", milliseconds.div_euclid(1_000)),
        ("UnixMilli", milliseconds),
        ("Year", year),
        ("Day", day.into()),
        ("Hour", hour.into()),
        ("Minute", minute.into()),
        ("Second", second.into()),
        ("YearDay", i64::from(day_of_year(moment, month, day))),
    ];
    let numbers = numbers.map(|(name, number)| (name.to_owned(), Value::from(number)));
    let mut fields: Vec<(String, Value)> = numbers.into();
    fields.push(("String".to_owned(), Time(moment).to_string().into()));
    Value::Object(fields.into_iter().collect())
}

fn day_of_year(moment: Timestamp, month: u32, day: u32) -> u32 {
    const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let year = moment.civil().0;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let leap = u32::from(is_leap && month > 2);
    BEFORE[(month as usize).saturating_sub(1).min(11)] + day + leap
}
