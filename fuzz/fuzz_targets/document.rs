//! Any bytes as a document: no panic, and a document if and only if there is no error.
//!
//! `cargo +nightly fuzz run document corpus/document ../crates/formats/native/tests/{bad,outline,risky}`
//! from this folder.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_model::Severity;

fuzz_target!(|text: &str| {
    let parsed = sluice_native::parse("sluice.yaml", text, "/srv/shop");
    let failed = parsed.diagnostics.iter().any(|found| found.severity == Severity::Error);
    assert_eq!(parsed.document.is_none(), failed);
    for found in &parsed.diagnostics {
        if let Some((offset, length)) = found.place.as_ref().and_then(|place| place.span) {
            assert!(text.get(offset..offset + length).is_some());
        }
    }
    for service in parsed.document.iter().flat_map(|document| &document.services) {
        assert!(!service.plan.steps.is_empty());
        assert_eq!(sluice_native::outline(&service.plan, true).len(), service.plan.steps.len());
    }
});
