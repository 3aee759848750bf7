// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit codes, the same for every subcommand, so that scripts can tell what went wrong.

use std::fmt;
use std::process::ExitCode;

/// What the program ends with. To end with another code than [`Exit::Failed`], give the error an `Exit` as its context:
/// `error.context(Exit::Timeout)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Anything that has no code of its own.
    Failed = 1,
    /// The command line can't be understood; clap ends with this code too.
    Usage = 2,
    /// No registrar answers.
    NoRegistrar = 3,
    /// There is no such pool, pool element or session.
    NotFound = 4,
    /// The other side refuses.
    Denied = 6,
    /// No answer in time.
    Timeout = 7,
}

impl Exit {
    const ALL: [Exit; 7] =
        [Exit::Ok, Exit::Failed, Exit::Usage, Exit::NoRegistrar, Exit::NotFound, Exit::Denied, Exit::Timeout];

    /// The code an error asks for: its `Exit`, or that of the library's error.
    pub(crate) fn of(error: &anyhow::Error) -> Exit {
        let of_library = || {
            let code = error.downcast_ref::<rserpool::Error>()?.exit_code();
            Exit::ALL.into_iter().find(|exit| *exit as u8 == code)
        };
        let of_system = || error.is::<net::NoTransport>().then_some(Exit::Usage);
        error.downcast_ref().copied().or_else(of_library).or_else(of_system).unwrap_or(Exit::Failed)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exit::Ok => "ok",
            Exit::Failed => "failed",
            Exit::Usage => "usage",
            Exit::NoRegistrar => "no registrar",
            Exit::NotFound => "not found",
            Exit::Denied => "denied",
            Exit::Timeout => "timeout",
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// The error of a program that ran another one: it ends as that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the command ended with exit code {0}")]
pub(crate) struct OfCommand(pub(crate) u8);

/// What an error ends the program with.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(OfCommand(code)) => ExitCode::from(*code),
        None => Exit::of(error).into(),
    }
}

/// What counts where no flag says otherwise.
const ENVIRONMENT: &str = "Environment: RSERPOOL_REGISTRARS, RSERPOOL_PROFILE, RSERPOOL_TRANSPORT, RSERPOOL_MULTICAST, RSERPOOL_MULTICAST_GROUPS, RSERPOOL_MULTICAST_INTERFACE, \
RSERPOOL_ADMIN, RSERPOOL_CONTROL_DIR; RSERPOOL_CONFIG names the configuration file instead of /etc/rserpool/client.toml, RSERPOOL_LOG says what is logged, e.g. info";

/// The codes, and the environment, as the help shows them.
pub(crate) fn help() -> String {
    let codes: Vec<_> = Exit::ALL.iter().map(|exit| format!("{} {exit}", *exit as u8)).collect();
    format!("Exit codes: {}\n\n{ENVIRONMENT}", codes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_ends_the_program_with_the_code_it_carries() {
        let error = anyhow::anyhow!("registrar 192.0.2.1:3863 did not answer");
        assert_eq!(Exit::of(&error), Exit::Failed);
        let error = error.context(Exit::Timeout);
        assert_eq!(Exit::of(&error), Exit::Timeout);
        assert_eq!(format!("{error:#}"), "timeout: registrar 192.0.2.1:3863 did not answer");
        assert_eq!(Exit::of(&error.context("while listing pools")), Exit::Timeout);
    }

    #[test]
    fn the_help_lists_every_code() {
        assert!(
            help()
                .starts_with("Exit codes: 0 ok, 1 failed, 2 usage, 3 no registrar, 4 not found, 6 denied, 7 timeout\n")
        );
        assert!(help().contains("RSERPOOL_REGISTRARS"));
    }
}
