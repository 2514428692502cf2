//! The sequential tests on simulated requests: how often they are wrong, and how long they take.

mod alarms;
mod split;
mod stream;
mod times;
