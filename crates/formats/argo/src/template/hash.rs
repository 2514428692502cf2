//! The name of a revision: a short hash of what its pods are.

use super::normal;
use crate::api::PodTemplate;
use crate::go_json::{self, Misfit};

/// Kubernetes' alphabet for generated names: no vowels, so that no words appear.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of a template for a new ReplicaSet's name and label, as Argo's controller computes it. `collisions` is how
/// often the name was taken.
///
/// It is FNV-1a (32 bits) over the template as Go writes it, and over the collisions as eight bytes. It names new
/// ReplicaSets; existing ones are found by meaning as well, and keep their label.
///
/// What Argo's types do not know is no part of its hash, and a change of it would roll nothing out. Here such a
/// template has a hash of its own, over its normal form too.
///
/// # Errors
/// The first value whose type is not its field's: Argo's controller cannot read such an object.
pub fn template_hash(template: &PodTemplate, collisions: Option<i32>) -> Result<String, Misfit> {
    let written = go_json::template(&template.0)?;
    let rest = if written.is_whole {
        String::new()
    } else {
        normal::normal(template).to_string()
    };
    let count = collisions.map(|count| u64::from(count.cast_unsigned()).to_le_bytes());
    let text = written.text.bytes().chain(rest.bytes());
    Ok(safe_fnv(text.chain(count.into_iter().flatten())))
}

/// FNV-1a with 32 bits, written as Kubernetes writes such hashes: its decimal digits in an alphabet
/// without vowels.
pub fn safe_fnv(bytes: impl Iterator<Item = u8>) -> String {
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash.to_string()
        .bytes()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]))
        .collect()
}
