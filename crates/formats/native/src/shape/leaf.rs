//! Single values as they are written, with the pattern that the JSON Schema gives for them.
//!
//! Reading them (units, ranges) is the business of `compile::words`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

macro_rules! leaf {
    ($($(#[$doc:meta])* $name:ident = $schema:tt;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
            #[serde(transparent)]
            pub(crate) struct $name(pub(crate) String);

            impl From<String> for $name {
                fn from(text: String) -> Self {
                    Self(text)
                }
            }

            impl AsRef<str> for $name {
                fn as_ref(&self) -> &str {
                    &self.0
                }
            }

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )*
    };
}

leaf! {
    /// Any text; numbers and truth values count as text.
    Text = { "type": ["string", "number", "boolean"] };
    /// A span of time.
    SpanText = {
        "type": "string",
        "pattern": "^([0-9]+(ms|s|m|h|d))+$",
        "examples": ["250ms", "90s", "15m", "1h30m"]
    };
    /// A percentage: `5`, `0.5`, `5%`.
    PercentText = {
        "type": ["string", "number"],
        "minimum": 0,
        "maximum": 100,
        "pattern": "^[0-9]+(\\.[0-9]+)? ?%?$",
        "examples": [5, "0.5%"]
    };
    /// A number, or a percentage of the replicas.
    AmountText = {
        "type": ["string", "integer"],
        "minimum": 0,
        "pattern": "^[0-9]+%?$",
        "examples": [1, "25%"]
    };
    /// A number of bytes, with or without a unit.
    SizeText = {
        "type": ["string", "integer"],
        "minimum": 0,
        "pattern": "^[0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB)?$",
        "examples": [65536, "32KiB", "10MB"]
    };
    /// An address, or a port alone, which is one of this machine only.
    AddressText = {
        "type": ["string", "integer"],
        "examples": ["127.0.0.1:8080", "0.0.0.0:80", "[::1]:8080", 8080]
    };
    /// A program and its arguments on one line; quotes group words, but there is no shell.
    CommandText = { "type": "string", "minLength": 1, "examples": ["./checkout --port $PORT"] };
    /// A hook's command on one line, or a webhook's `http://` or `https://` address.
    HookText = {
        "type": "string",
        "minLength": 1,
        "examples": ["./smoke-test.sh", "https://ci.example.com/hooks/canary"]
    };
    /// The path of an HTTP probe.
    PathText = { "type": "string", "pattern": "^/", "examples": ["/healthz"] };
    /// A limit in the metric's unit: a share (`1%` or `0.01`), a time (`500ms`), a size (`512MiB`) or a number.
    LimitText = { "type": ["string", "number"], "examples": ["1%", 0.01, "500ms", "512MiB"] };
    /// A risk class, in any case.
    RiskText = {
        "type": "string",
        "enum": ["LOW", "MEDIUM", "HIGH", "CRITICAL", "low", "medium", "high", "critical"]
    };
    /// A multiple of the baseline's value: `2x`, `1.5`.
    FactorText = {
        "type": ["string", "number"],
        "pattern": "^[0-9]+(\\.[0-9]+)?x?$",
        "examples": ["2x", 1.5]
    };
}
