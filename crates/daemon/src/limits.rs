// SPDX-License-Identifier: MIT OR Apache-2.0
//! Resource limits of this process, and of its life.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of files (and so of sockets) that may be open to what the system allows; answers that number.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// Asks the system to end this process in order (SIGTERM) when the one that started it ends, even by SIGKILL.
///
/// # Errors
/// If the system refuses.
pub fn die_with_parent() -> std::io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM)?;
    Ok(())
}
