//! The shape of `sluice.yaml`: typed fields, their words and their descriptions; the JSON Schema comes
//! from here.
//!
//! A shape says which fields exist and what kind of value stands in them, never what the value means:
//! texts stay texts until `compile` reads them. Every field is optional here, and carries its place
//! ([`Located`](crate::reading::Located)), so that all problems of a document are found in one pass.

mod check;
mod document;
mod hook;
mod leaf;
mod release;
mod service;
mod source;

pub(crate) use check::{
    AnalysisFields, CheckFields, Checks, FailWord, KayentaFields, MetricWord, MissingWord,
    NotWorseFields, RelativeFields, TrendFields,
};
pub(crate) use document::DocumentFields;
pub(crate) use hook::{
    Command, FailureWord, GateFields, Hook, HookFields, Hooks, RolloutHookFields,
};
pub(crate) use leaf::{
    AddressText, AmountText, CommandText, FactorText, HookText, LimitText, PathText, PercentText,
    RiskText, SizeText, SpanText, Text,
};
pub(crate) use release::{
    MatchFields, MirrorFields, Release, ReleaseFields, StepFields, StrategyWord, TextMatchFields,
};
pub(crate) use service::{
    LimitFields, Probe, ProbeFields, ProtocolWord, ServiceFields, StickyFields, TlsFields,
};
pub(crate) use source::{BasicFields, SecretFields, SourceFields};

use crate::reading::{LIST_OR, Located, SCALAR_OR};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A field that may be there.
pub(crate) type Field<T> = Option<Located<T>>;

/// The short form, a single value; or the full one.
#[derive(Clone, Debug)]
pub(crate) enum Brief<W, T> {
    Word(W),
    Full(T),
}

impl<'de, W: From<String>, T: Deserialize<'de>> Deserialize<'de> for Brief<W, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct BriefVisitor<W, T>(PhantomData<(W, T)>);

        impl<'de, W: From<String>, T: Deserialize<'de>> Visitor<'de> for BriefVisitor<W, T> {
            type Value = Brief<W, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a single value, or its full form")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Brief::Word(W::from(text.to_owned())))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                from: D,
            ) -> Result<Self::Value, D::Error> {
                T::deserialize(from).map(Brief::Full)
            }
        }

        from.deserialize_newtype_struct(SCALAR_OR, BriefVisitor(PhantomData))
    }
}

/// One item, or a list of them.
#[derive(Clone, Debug)]
pub(crate) struct Many<T>(pub(crate) Vec<Located<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ManyVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
            type Value = Many<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one item, or a list of them")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Many(list))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                from: D,
            ) -> Result<Self::Value, D::Error> {
                Located::deserialize(from).map(|item| Many(vec![item]))
            }
        }

        from.deserialize_newtype_struct(LIST_OR, ManyVisitor(PhantomData))
    }
}

/// Entries under names that the user chooses.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(Located<Text>, Located<T>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("named entries")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        from.deserialize_map(EntriesVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<W: JsonSchema, T: JsonSchema> JsonSchema for Brief<W, T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", W::schema_name(), T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<W>();
        let full = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [word, full] })
    }
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ManyOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("EntriesOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": value })
    }
}

/// What people write who come from docker compose or Kubernetes, and what it is called here.
const FORMER_NAMES: &[(&str, &str, &str)] = &[
    ("command", "run", "it is `run` here"),
    ("entrypoint", "run", "it is `run` here"),
    ("environment", "env", "it is `env` here"),
    ("working_dir", "workdir", "it is `workdir` here"),
    ("cwd", "workdir", "it is `workdir` here"),
    (
        "ports",
        "listen",
        "it is `listen: 127.0.0.1:8080` here; the program itself gets its port as `$PORT`",
    ),
    (
        "port",
        "listen",
        "it is `listen: 127.0.0.1:8080` here; the program itself gets its port as `$PORT`",
    ),
    ("healthcheck", "ready", "it is `ready` (and `live`) here"),
    ("readinessProbe", "ready", "it is `ready` here"),
    ("livenessProbe", "live", "it is `live` here"),
    ("startupProbe", "startup", "it is `startup` here"),
    (
        "stop_grace_period",
        "stop",
        "it is `stop: {grace: 10s}` here",
    ),
    ("deploy", "release", "it is `release` (and `replicas`) here"),
    (
        "image",
        "run",
        "Sluice runs programs, not images: write the program as `run`",
    ),
    (
        "build",
        "run",
        "Sluice runs programs, not images: write the program as `run`",
    ),
    ("setWeight", "weight", "it is `weight` here"),
    (
        "pause",
        "bake",
        "it is `bake: 10m` here, or `gate: NAME` to wait for an approval",
    ),
    ("duration", "bake", "it is `bake` here"),
    ("minReadySeconds", "minReady", "it is `minReady: 10s` here"),
    (
        "progressDeadlineSeconds",
        "progressDeadline",
        "it is `progressDeadline: 2m` here",
    ),
    (
        "revisionHistoryLimit",
        "historyLimit",
        "it is `historyLimit` here",
    ),
    (
        "terminationGracePeriodSeconds",
        "stop",
        "it is `stop: {grace: 10s}` here",
    ),
];

/// The advice for a name from elsewhere, when its counterpart is one of the `known` fields.
pub(crate) fn former_name(name: &str, known: &[&str]) -> Option<&'static str> {
    FORMER_NAMES
        .iter()
        .find(|(former, now, _)| *former == name && known.contains(now))
        .map(|(_, _, advice)| *advice)
}
