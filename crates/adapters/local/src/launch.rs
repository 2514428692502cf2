//! Starting one process: which program, with which environment, as whom.
//!
//! What is started leads its own process group, so that a Ctrl-C for Sluice is not one for its
//! replicas and a signal reaches all of a replica's processes. Its life is `supervise`'s business.

use crate::account::{self, Account, AccountError};
use crate::config::LocalConfig;
use crate::environment::{self, CommandError};
use crate::process::Process;
use crate::record::Spec;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use sluice_model::ReplicaId;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Tries to start a program that is "text file busy": another thread was forking while the
/// revision's copy of it was written, and holds it open until its own start.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(25);

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("the working directory {} is not there, or not reachable: create it, or correct `workdir`", .0.display())]
    Workdir(PathBuf),
    #[error("no port for the replica: {0}")]
    Port(io::Error),
    #[error(
        "permission denied for {program}{as_user}: it, and every folder above it, must be accessible"
    )]
    Permission { program: String, as_user: String },
    #[error("cannot start {program}: {source}")]
    Spawn { program: String, source: io::Error },
    #[error("the start was interrupted: {0}")]
    Interrupted(String),
}

/// All that is needed to start a replica's program, and commands beside it.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    program: PathBuf,
    arguments: Vec<String>,
    env: BTreeMap<String, String>,
    workdir: PathBuf,
    account: Option<Account>,
    open_files: Option<u64>,
}

impl Launch {
    /// Prepares the start of a replica with its port.
    pub(crate) fn prepare(
        config: &LocalConfig,
        spec: &Spec,
        replica: &ReplicaId,
        port: u16,
    ) -> Result<Launch, StartError> {
        let account = spec
            .workload
            .user
            .as_deref()
            .map(account::lookup)
            .transpose()?
            .flatten();
        let env = environment::of_replica(
            &config.inherited_env,
            account.as_ref(),
            spec,
            &config.sluice_id,
            replica,
            port,
        );
        let workdir = PathBuf::from(&spec.workload.workdir);
        if !workdir.is_dir() {
            return Err(StartError::Workdir(workdir));
        }
        let launch = Launch {
            program: PathBuf::new(),
            arguments: Vec::new(),
            env,
            workdir,
            account,
            open_files: config.open_files,
        };
        launch.with_command(&spec.workload.command)
    }

    /// The same for another command in the replica's environment.
    pub(crate) fn with_command(&self, command: &[String]) -> Result<Launch, StartError> {
        let value_of = |name: &str| self.env.get(name).cloned();
        let words: Vec<String> = command
            .iter()
            .map(|word| environment::expand(word, value_of))
            .collect::<Result<_, _>>()?;
        let (program, arguments) = words.split_first().ok_or(CommandError::Empty)?;
        let path = self.env.get("PATH").map(String::as_str);
        Ok(Launch {
            program: environment::resolve(program, path, &self.workdir)?,
            arguments: arguments.to_vec(),
            ..self.clone()
        })
    }

    /// Starts it, with its output going to `output`, or nowhere. Blocks until the program is loaded;
    /// needs the runtime's context.
    pub(crate) fn spawn(&self, output: Option<File>) -> Result<Process, StartError> {
        let failed = |source: io::Error| self.explain(source);
        let mut tries = 1;
        let mut child = loop {
            match self.spawn_child(output.as_ref()) {
                Err(error)
                    if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES =>
                {
                    tries += 1;
                    thread::sleep(BUSY_PAUSE);
                }
                spawned => break spawned.map_err(failed)?,
            }
        };
        self.limit_open_files(&child);
        Process::of_child(Pid::from_child(&child)).map_err(|error| {
            // It cannot be supervised, so it must not stay: it is our child and not reaped, so the
            // pid is still its own.
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                tracing::error!(pid = child.id(), %error, "a process that cannot be supervised stays behind");
            }
            failed(error)
        })
    }

    fn spawn_child(&self, output: Option<&File>) -> io::Result<Child> {
        let sink = || {
            Ok::<_, io::Error>(match output {
                Some(file) => Stdio::from(file.try_clone()?),
                None => Stdio::null(),
            })
        };
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.workdir)
            .stdin(Stdio::null())
            .stdout(sink()?)
            .stderr(sink()?)
            .process_group(0);
        match self.account.clone() {
            None => command.spawn(),
            Some(account) => thread::Builder::new()
                .name("sluice-start-as".to_owned())
                .spawn(move || {
                    become_account(&account)?;
                    command.spawn()
                })?
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the starting thread failed"))),
        }
    }

    /// Takes the raised limit of this process back for a child. It may have run for a moment before: who
    /// reads the limit first thing sees a higher one, and nothing else.
    fn limit_open_files(&self, child: &Child) {
        let Some(soft) = self.open_files else {
            return;
        };
        let hard = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            current: Some(hard.map_or(soft, |hard| soft.min(hard))),
            maximum: hard,
        };
        match prlimit(Some(Pid::from_child(child)), Resource::Nofile, limit) {
            // It has ended already.
            Ok(_) | Err(Errno::SRCH) => {}
            Err(error) => {
                tracing::warn!(pid = child.id(), %error, "a process keeps Sluice's own limit of open files");
            }
        }
    }

    fn explain(&self, source: io::Error) -> StartError {
        let program = self.program.display().to_string();
        if source.kind() == io::ErrorKind::PermissionDenied {
            let as_user = self.account.as_ref().map_or(String::new(), |account| {
                format!(" as user {}", account.uid.as_raw())
            });
            return StartError::Permission { program, as_user };
        }
        StartError::Spawn { program, source }
    }
}

/// Makes this thread, and what it starts, the account's. The kernel keeps identities by thread, and
/// the standard library cannot set the further groups; the thread ends right after the start.
fn become_account(account: &Account) -> io::Result<()> {
    set_thread_groups(&account.groups)?;
    set_thread_res_gid(account.gid, account.gid, account.gid)?;
    set_thread_res_uid(account.uid, account.uid, account.uid)?;
    Ok(())
}
