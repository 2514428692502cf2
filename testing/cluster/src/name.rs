//! A cluster's name, and what is called after it on this machine.

use anyhow::{Result, bail};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Below this lies one folder for each cluster. Not below `/run` or `/var/lib`: the cluster's processes see others there.
pub(crate) const CLUSTERS: &str = "/var/cache/sluice-cluster";
/// Longest name: the folder's sockets have to fit into a socket's address, 108 bytes.
const LENGTH_MAX: usize = 40;

/// A cluster's name: 1 to 40 lower-case letters, digits and `-`.
///
/// Everything that a cluster has on this machine is called after it, so that several run side by side and each is found again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterName(String);

impl ClusterName {
    /// A name for tests: the same in each run from one checkout, so that a run finds what an earlier one left when it was killed; and
    /// another one in another checkout, so that both run side by side. `folder` is `env!("CARGO_MANIFEST_DIR")`.
    ///
    /// # Panics
    /// When `label` is more than 20 lower-case letters, digits and `-`.
    #[must_use]
    pub fn for_tests(label: &str, folder: &str) -> Self {
        let digest = Sha256::digest(folder.as_bytes());
        let mark: String = digest
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("test-{label}-{mark}").parse();
        name.expect("a short label in lower-case letters")
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The network namespace, as `ip netns list` shows it.
    #[must_use]
    pub fn namespace(&self) -> String {
        format!("sluice-{}", self.0)
    }

    /// The network namespace as a file, for `nsenter --net=…`.
    #[must_use]
    pub fn namespace_path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(self.namespace())
    }

    /// The folder with everything that the cluster keeps.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(CLUSTERS).join(&self.0)
    }

    /// The file that is locked while somebody works on the cluster. Beside the folder, which comes and goes.
    pub(crate) fn lock_path(&self) -> PathBuf {
        PathBuf::from(CLUSTERS).join(format!("{}.lock", self.0))
    }

    /// The cgroup of its pods, below the root of each hierarchy.
    pub(crate) fn cgroup(&self) -> String {
        format!("sluice-cluster-{}", self.0)
    }
}

impl FromStr for ClusterName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty()
            || text.len() > LENGTH_MAX
            || text.starts_with('-')
            || !text.bytes().all(is_fit)
        {
            bail!(
                "`{text}` is no name of a cluster; use 1 to {LENGTH_MAX} lower-case letters, digits and `-`, no `-` first"
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_out_of_the_folder_of_all_clusters() {
        for bad in ["", "-a", "../a", "a/b", "A", "a b", "a.b", &"a".repeat(41)] {
            let error = bad.parse::<ClusterName>().expect_err(bad);
            assert!(error.to_string().contains("lower-case"), "{error}");
        }
        let name: ClusterName = "dev-2".parse().expect("a fit name");
        assert_eq!(name.namespace(), "sluice-dev-2");
        assert_eq!(name.folder(), PathBuf::from(CLUSTERS).join("dev-2"));
        let of = |folder| ClusterName::for_tests("node", folder);
        assert_eq!(of("/a"), of("/a"));
        assert_ne!(of("/a"), of("/b"));
    }
}
