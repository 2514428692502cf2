//! The results as a table in the terminal.

use super::results::{Results, Summary};
use crate::wire::Body;
use std::fmt;

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for saturated in [false, true] {
            for body in Body::ALL {
                let rows = self
                    .summary
                    .iter()
                    .filter(|row| row.body == body && row.saturated == saturated);
                let rows: Vec<&Summary> = rows.collect();
                if rows.is_empty() {
                    continue;
                }
                let rate = self.settings.rates.get(&body).copied().unwrap_or_default();
                match saturated {
                    false => writeln!(f, "\n{} bodies, {rate} requests a second", body.name())?,
                    true => writeln!(f, "\n{} bodies, as fast as answers come", body.name())?,
                }
                write_rows(f, &rows)?;
            }
        }
        writeln!(
            f,
            "\nMedians of {} rounds; ours/peer: medians of the ratios within a round. Latency counts from when a request was due.",
            self.settings.rounds
        )?;
        for wrong in &self.wrong {
            writeln!(f, "WRONG: {wrong}")?;
        }
        Ok(())
    }
}

fn write_rows(f: &mut fmt::Formatter<'_>, rows: &[&Summary]) -> fmt::Result {
    writeln!(
        f,
        "{:<11}{:>10}{:>7}{:>13}{:>10}{:>10}{:>10}{:>8}   ours/peer: req/CPU-s   p50    p99",
        "", "req/s", "core", "req/CPU-s", "p50 µs", "p99 µs", "p99.9 µs", "MB"
    )?;
    for row in rows {
        write!(
            f,
            "{:<11}{:>10.0}{:>6.0}%{:>13.0}{:>10.0}{:>10.0}{:>10.0}{:>8.1}",
            row.proxy,
            row.rate,
            row.utilisation * 100.0,
            row.per_cpu_second,
            row.p50_us,
            row.p99_us,
            row.p999_us,
            row.memory as f64 / 1e6
        )?;
        match row.ours {
            Some(ours) => {
                writeln!(
                    f,
                    "{:>23.2}{:>7.2}{:>7.2}",
                    ours.per_cpu_second, ours.p50, ours.p99
                )?;
            }
            None => writeln!(f)?,
        }
    }
    Ok(())
}
