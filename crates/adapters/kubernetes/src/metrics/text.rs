//! The text that Prometheus scrapes, in its classic format (version 0.0.4): one line a sample, under exactly
//! the names that are given. It is written in pieces, so that thousands of objects need no large buffer.

use smallvec::SmallVec;

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels with their values.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

/// What a family of samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A family of samples about things of one sort.
pub(crate) struct Family<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// Writes the samples of one of them.
    pub(crate) samples: fn(&T, &mut Samples<'_>),
}

impl<T> Family<T> {
    pub(crate) const fn gauge(
        name: &'static str,
        help: &'static str,
        samples: fn(&T, &mut Samples<'_>),
    ) -> Self {
        Family::new(name, help, Kind::Gauge, samples)
    }

    pub(crate) const fn counter(
        name: &'static str,
        help: &'static str,
        samples: fn(&T, &mut Samples<'_>),
    ) -> Self {
        Family::new(name, help, Kind::Counter, samples)
    }

    pub(crate) const fn histogram(
        name: &'static str,
        help: &'static str,
        samples: fn(&T, &mut Samples<'_>),
    ) -> Self {
        Family::new(name, help, Kind::Histogram, samples)
    }

    const fn new(
        name: &'static str,
        help: &'static str,
        kind: Kind,
        samples: fn(&T, &mut Samples<'_>),
    ) -> Self {
        Family {
            name,
            help,
            kind,
            samples,
        }
    }
}

/// Where the samples of a family are put. Its head is written before the first one, and not without one.
pub(crate) struct Samples<'a> {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    has_head: bool,
    text: &'a mut String,
}

impl Samples<'_> {
    /// One value.
    pub(crate) fn put(&mut self, labels: Labels<'_>, value: f64) {
        self.head();
        self.line("", labels, None, value);
    }

    /// 1 or 0.
    pub(crate) fn put_flag(&mut self, labels: Labels<'_>, is_set: bool) {
        self.put(labels, f64::from(u8::from(is_set)));
    }

    /// A distribution.
    pub(crate) fn put_histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        self.head();
        let mut below = 0;
        for (at, count) in histogram.counts.iter().enumerate() {
            below += count;
            let bound = histogram.bounds.get(at).copied().unwrap_or(f64::INFINITY);
            self.line("_bucket", labels, Some(bound), as_float(below));
        }
        self.line("_sum", labels, None, histogram.sum);
        self.line("_count", labels, None, as_float(below));
    }

    fn head(&mut self) {
        if self.has_head {
            return;
        }
        self.has_head = true;
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let (name, help) = (self.name, self.help);
        self.text
            .push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<f64>, value: f64) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let bound = bound.map(number);
        let bound = bound.iter().map(|bound| ("le", bound.as_str()));
        let mut separator = '{';
        for (label, value) in labels.iter().copied().chain(bound) {
            self.text.push(separator);
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(value, self.text);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        self.text.push_str(&number(value));
        self.text.push('\n');
    }
}

/// Values counted by upper bounds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above all of them. There are few where there are thousands of these.
    counts: SmallVec<[u64; 6]>,
    sum: f64,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Histogram {
            bounds,
            counts: SmallVec::from_elem(0, bounds.len() + 1),
            sum: 0.0,
        }
    }

    pub(crate) fn observe(&mut self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at] += 1;
        self.sum += value;
    }
}

/// Things of one sort, and what is told of them.
pub(crate) struct Section<T: 'static> {
    things: Vec<T>,
    families: &'static [Family<T>],
    family: usize,
    thing: usize,
    has_head: bool,
}

impl<T> Section<T> {
    pub(crate) fn new(things: Vec<T>, families: &'static [Family<T>]) -> Self {
        Section {
            things,
            families,
            family: 0,
            thing: 0,
            has_head: false,
        }
    }
}

/// A part of the text that is written in pieces.
pub(crate) trait Pieces: Send {
    /// Writes until the text is at least `length` long; false when there is no more.
    fn write(&mut self, text: &mut String, length: usize) -> bool;
}

impl<T: Send> Pieces for Section<T> {
    fn write(&mut self, text: &mut String, length: usize) -> bool {
        while let Some(family) = self.families.get(self.family) {
            let mut samples = Samples {
                name: family.name,
                help: family.help,
                kind: family.kind,
                has_head: self.has_head,
                text,
            };
            while let Some(thing) = self.things.get(self.thing) {
                if samples.text.len() >= length {
                    self.has_head = samples.has_head;
                    return true;
                }
                (family.samples)(thing, &mut samples);
                self.thing += 1;
            }
            self.family += 1;
            self.thing = 0;
            self.has_head = false;
        }
        false
    }
}

/// A count as a sample's value; exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "samples are floats")]
pub(crate) fn as_float(count: u64) -> f64 {
    count as f64
}

fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else if value != 0.0 && !(1e-4..1e21).contains(&value.abs()) && value.is_finite() {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(&'static str, f64);

    const FAMILIES: [Family<Thing>; 3] = [
        Family::gauge("size", "How large it is.", |thing, samples| {
            samples.put(&[("name", thing.0)], thing.1);
        }),
        Family::counter("nothing_total", "Never there.", |_, _| {}),
        Family::histogram("spread", "How it spreads.", |thing, samples| {
            let mut spread = Histogram::new(&[0.5, 1.0]);
            for value in [0.5, thing.1, 7.0] {
                spread.observe(value);
            }
            samples.put_histogram(&[("name", thing.0)], &spread);
        }),
    ];

    fn things() -> Vec<Thing> {
        vec![Thing("a", 0.75), Thing("b\"\\\n", 1e-8)]
    }

    const WHOLE: &str = r#"# HELP size How large it is.
# TYPE size gauge
size{name="a"} 0.75
size{name="b\"\\\n"} 1e-8
# HELP spread How it spreads.
# TYPE spread histogram
spread_bucket{name="a",le="0.5"} 1
spread_bucket{name="a",le="1"} 2
spread_bucket{name="a",le="+Inf"} 3
spread_sum{name="a"} 8.25
spread_count{name="a"} 3
spread_bucket{name="b\"\\\n",le="0.5"} 2
spread_bucket{name="b\"\\\n",le="1"} 2
spread_bucket{name="b\"\\\n",le="+Inf"} 3
spread_sum{name="b\"\\\n"} 7.50000001
spread_count{name="b\"\\\n"} 3
"#;

    #[test]
    fn the_pieces_are_the_whole_whatever_their_length() {
        for length in [1, 20, 100, 10_000] {
            let mut section = Section::new(things(), &FAMILIES);
            let mut whole = String::new();
            loop {
                let mut piece = String::new();
                let more = section.write(&mut piece, length);
                whole.push_str(&piece);
                if !more {
                    break;
                }
            }
            assert_eq!(whole, WHOLE, "pieces of {length}");
        }
    }

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        let table = [
            (0.0, "0"),
            (1.0, "1"),
            (-2.0, "-2"),
            (0.01, "0.01"),
            (1e-8, "1e-8"),
            (1.5e22, "1.5e22"),
            (1_795_273_567.089, "1795273567.089"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in table {
            assert_eq!(number(value), text);
        }
    }
}
