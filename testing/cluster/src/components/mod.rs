//! The programs of a cluster with their arguments and files. Starting them is `start`'s.

pub(crate) mod control_plane;
pub(crate) mod kwok;
pub(crate) mod node;

/// A program of a cluster.
pub(crate) struct Component {
    /// The program's name, and its role in the cluster.
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<String>,
}

impl Component {
    fn new(name: &'static str, arguments: impl IntoIterator<Item = String>) -> Self {
        Self {
            name,
            arguments: arguments.into_iter().collect(),
        }
    }
}
