//! Objects as text, packed: thousands lie still, or wait to be sent, while a few are read.
//!
//! Most of an object's text is the same in all of them: names of fields, usual values, sentences of conditions. So each is packed
//! (Zstandard, RFC 8878) with the text of typical objects as its dictionary, to a quarter or less. That costs some microseconds, and parsing
//! what comes out many times as much.

use std::cell::RefCell;
use std::sync::LazyLock;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// The dictionary: objects as API servers have them, with the fields that users often set. Nothing packed outlives the process, so
/// that it may change.
const TYPICAL: &str = include_str!("typical.txt");
/// How hard it is tried: the library's usual level.
const LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(TYPICAL.as_bytes(), LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(TYPICAL.as_bytes()));

thread_local! {
    /// What it takes to pack is made once for each thread, and not for each text.
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::new(
        Compressor::with_prepared_dictionary(&ENCODER).expect("the dictionary is good"),
    );
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::new(
        Decompressor::with_prepared_dictionary(&DECODER).expect("the dictionary is good"),
    );
}

/// A text that takes less memory than it is long.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    /// Bytes of the text itself.
    pub(crate) length: usize,
}

impl Packed {
    /// Packs a text.
    pub(crate) fn new(text: &str) -> Self {
        let packed = COMPRESSOR.with_borrow_mut(|packer| packer.compress(text.as_bytes()));
        let mut bytes = packed.expect("there is room for what it makes");
        // It comes with room for a text that cannot be packed.
        bytes.shrink_to_fit();
        Packed {
            bytes,
            length: text.len(),
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> Vec<u8> {
        let text =
            DECOMPRESSOR.with_borrow_mut(|unpacker| unpacker.decompress(&self.bytes, self.length));
        text.expect("what was packed here is whole")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ReplicaSet as an API server has it, without what is stripped; no part of the dictionary.
    const OBJECT: &str = r#"{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"annotations":{"rollout.argoproj.io/desired-replicas":"7","rollout.argoproj.io/revision":"12"},"creationTimestamp":"2027-03-04T05:06:07Z","generation":2,"labels":{"app":"basket","rollouts-pod-template-hash":"5d9c7b8f4"},"name":"basket-5d9c7b8f4","namespace":"shop","ownerReferences":[{"apiVersion":"argoproj.io/v1alpha1","blockOwnerDeletion":true,"controller":true,"kind":"Rollout","name":"basket","uid":"0b5cbd0e-8c3f-4d0a-9a37-2f6e3c1d7a11"}],"resourceVersion":"123456","uid":"77ad9bb6-57a2-4d3c-8f0b-6f4f6f3a2b10"},"spec":{"replicas":7,"selector":{"matchLabels":{"app":"basket","rollouts-pod-template-hash":"5d9c7b8f4"}},"template":{"metadata":{"labels":{"app":"basket","rollouts-pod-template-hash":"5d9c7b8f4"}},"spec":{"containers":[{"env":[{"name":"MODE","value":"fast"}],"image":"shop/basket:3.1","imagePullPolicy":"IfNotPresent","livenessProbe":{"failureThreshold":3,"httpGet":{"path":"/healthz","port":80,"scheme":"HTTP"},"periodSeconds":10,"successThreshold":1,"timeoutSeconds":1},"name":"basket","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}},"status":{"availableReplicas":7,"fullyLabeledReplicas":7,"observedGeneration":2,"readyReplicas":7,"replicas":7}}"#;

    #[test]
    fn every_text_comes_out_as_it_went_in() {
        let long = "äöü€😀 and so on; ".repeat(10_000);
        for text in ["", "{}", OBJECT, TYPICAL, &long] {
            assert_eq!(Packed::new(text).text(), text.as_bytes());
        }
    }

    #[test]
    fn an_object_takes_a_quarter_of_its_text() {
        let packed = Packed::new(OBJECT);
        let (taken, length) = (packed.bytes.capacity(), OBJECT.len());
        assert!(taken * 4 <= length, "{taken} bytes for {length}");
    }
}
