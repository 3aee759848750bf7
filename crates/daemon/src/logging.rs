// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log: lines on standard error, chosen by `RSERPOOL_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Says what is logged, in the words of [`EnvFilter`]: `info`, `debug`, `rsp_registrar=debug,net=trace`.
pub const VARIABLE: &str = "RSERPOOL_LOG";

/// dcSCTP logs each packet with its bytes as `info`: whoever wants that names it.
pub fn quiet(filter: &str) -> String {
    if filter.contains("dcsctp") { filter.to_owned() } else { format!("{filter},dcsctp=error") }
}

/// Starts logging: `default` unless [`VARIABLE`] says something else.
///
/// # Errors
/// Says what is wrong with the variable's value.
pub fn init(default: &str) -> Result<(), String> {
    let filter = match std::env::var(VARIABLE) {
        Ok(value) if !value.is_empty() => EnvFilter::try_new(quiet(&value))
            .map_err(|error| format!("{VARIABLE}={value}: {error}; use for example \"info\" or \"net=debug\""))?,
        _ => EnvFilter::new(quiet(default)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    // Under systemd the journal has the time.
    let result = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => builder.without_time().try_init(),
        None => builder.try_init(),
    };
    result.map_err(|error| error.to_string())
}
