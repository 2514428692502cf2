//! Whether a hook could run, for the checklist before a deployment: nothing is run and nothing is
//! sent.

use crate::{environment, webhook};
use sluice_model::plan::HookAction;
use sluice_model::time::format_span;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;

/// Longest wait for a webhook's host to take a connection, the look-up of its name included.
pub const REACH_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks whether a hook's program exists and may be executed, or a webhook's host takes a connection
/// (directly: a proxy is not asked).
///
/// # Errors
/// A sentence with the cause and the next step.
pub async fn reachable(action: &HookAction) -> Result<(), String> {
    match action {
        HookAction::Command { command, env } => {
            let Some(program) = command.first() else {
                return Err(
                    "there is no command; name a program in the hook's `command`".to_owned(),
                );
            };
            let environment = environment::base(env);
            let path = environment.get(std::ffi::OsStr::new("PATH"));
            let folder = std::env::current_dir().map_err(|error| {
                format!("the working folder is gone: {error}; start Sluice in another")
            })?;
            match which::which_in(program, path, folder) {
                Ok(_) => Ok(()),
                Err(_) if Path::new(program).is_file() && program.contains('/') => Err(format!(
                    "`{program}` may not be executed by this user; make it executable (`chmod +x`)"
                )),
                Err(_) => Err(format!(
                    "`{program}` was not found; install it, or correct the hook's `command`"
                )),
            }
        }
        HookAction::Webhook { url, .. } => {
            let url = webhook::parse(url)?;
            let origin = webhook::origin(&url);
            let next_step = "see that it runs and that this machine reaches it";
            let addresses = async {
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                TcpStream::connect((host, url.port_or_known_default().unwrap_or(443))).await
            };
            match tokio::time::timeout(REACH_TIMEOUT, addresses).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(format!("{origin} cannot be reached: {error}; {next_step}")),
                Err(_elapsed) => Err(format!(
                    "{origin} took no connection within {}; {next_step}",
                    format_span(REACH_TIMEOUT)
                )),
            }
        }
    }
}
