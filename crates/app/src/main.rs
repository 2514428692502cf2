//! The `sluice` binary: thin. `cli` is what a user types, `daemon` is `sluice up`,
//! `controller` what `sluice controller` connects, `demo` the
//! demonstration, `view` what people see.

mod cli;
mod controller;
mod daemon;
mod demo;
mod out;
mod view;

fn main() -> std::process::ExitCode {
    cli::main()
}
