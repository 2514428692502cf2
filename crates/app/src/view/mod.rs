//! What people see of services: frames of styled text, drawn in place in a terminal, printed as
//! plain lines, or turned into a picture.
//!
//! `text` is styled text, `frame` lays services out, `facts` puts figures into words, `lines` tells
//! changes one by one, `svg` draws a frame as a picture; all of these are pure. `screen` alone
//! touches the terminal. Who decides what to show is `cli` (and the demo).

pub(crate) mod facts;
pub(crate) mod frame;
pub(crate) mod lines;
pub(crate) mod screen;
pub(crate) mod svg;
pub(crate) mod text;

#[cfg(test)]
pub(crate) mod samples;
