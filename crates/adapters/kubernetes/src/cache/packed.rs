//! Objects as text, packed: thousands lie still while a few are read.
//!
//! Most of an object's text is the same in all of them: names of fields, usual values, sentences of conditions. So each is packed
//! (LZ4) with the text of typical objects as its dictionary, to a third or less. That costs a few microseconds, and parsing
//! what comes out many times as much.

/// The dictionary: objects as API servers have them, with the fields that users often set. Nothing packed outlives the process, so
/// that it may change. LZ4 looks back 64 KiB: of a longer text the begin would be lost.
const TYPICAL: &str = include_str!("typical.txt");

/// A text that takes less memory than it is long.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    /// Bytes of the text itself.
    pub(super) length: usize,
}

impl Packed {
    /// Packs a text.
    pub(super) fn new(text: &str) -> Self {
        Packed {
            bytes: lz4_flex::block::compress_with_dict(text.as_bytes(), TYPICAL.as_bytes()),
            length: text.len(),
        }
    }

    /// The text.
    pub(super) fn text(&self) -> Vec<u8> {
        let dictionary = TYPICAL.as_bytes();
        lz4_flex::block::decompress_with_dict(&self.bytes, self.length, dictionary)
            .expect("what was packed here is whole")
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
    fn an_object_takes_a_third_of_its_text() {
        let packed = Packed::new(OBJECT);
        let (taken, length) = (packed.bytes.len(), OBJECT.len());
        assert!(taken * 3 <= length, "{taken} bytes for {length}");
    }

    #[test]
    fn the_dictionary_is_within_reach() {
        assert!(TYPICAL.len() < 1 << 16, "{}", TYPICAL.len());
    }
}
