//! The name of a revision: a short hash of what its pods are.

use super::normal;
use crate::api::PodTemplate;

/// Kubernetes' alphabet for generated names: no vowels, so that no words appear.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of a template for a new ReplicaSet's name and label. Templates that mean the same have the
/// same one. `collisions` is how often the name was taken.
///
/// It is not Argo's: existing ReplicaSets are found by meaning, and keep their label.
#[must_use]
pub fn template_hash(template: &PodTemplate, collisions: Option<i32>) -> String {
    let text = normal::normal(template).to_string();
    let count = collisions.map(i32::to_le_bytes);
    safe_fnv(text.bytes().chain(count.into_iter().flatten()))
}

/// FNV-1a with 32 bits, written as Kubernetes writes such hashes: its decimal digits in an alphabet
/// without vowels.
pub(crate) fn safe_fnv(bytes: impl Iterator<Item = u8>) -> String {
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash.to_string()
        .bytes()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]))
        .collect()
}
