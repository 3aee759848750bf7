// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp` with the registrar of the test.

use std::process::Command;

use serde_json::Value;
use sim::process::{Finished, PATIENT_FILE, Process, Registrar, program};

/// `rsp` with these arguments, in the profile all tests use.
pub(crate) fn rsp(args: &[&str]) -> Command {
    let mut command = program("cli", "rsp");
    command.args(args).env("RSERPOOL_PROFILE", "fast").env("RSERPOOL_CONFIG", PATIENT_FILE);
    command
}

/// The same without patience, for those that ask in vain.
pub(crate) fn hasty(args: &[&str]) -> Command {
    let mut command = rsp(args);
    command.env("RSERPOOL_CONFIG", "/dev/null");
    command
}

/// The same, which is to ask this registrar.
pub(crate) fn rsp_at(registrar: &Registrar, args: &[&str]) -> Command {
    let mut command = rsp(args);
    command.env("RSERPOOL_REGISTRARS", registrar.asap.to_string());
    command.env("RSERPOOL_ADMIN", format!("http://{}", registrar.admin));
    command
}

/// Runs it to its end, with nothing on standard input.
pub(crate) fn run(command: Command) -> Finished {
    Process::spawn(command).finish()
}

/// A registrar in the profile all tests use.
pub(crate) fn registrar() -> Registrar {
    Registrar::start("fast", &[])
}

/// A running `rsp pe run`.
#[derive(Debug)]
pub(crate) struct Pe {
    pub(crate) process: Process,
    pub(crate) id: String,
    pub(crate) listen: String,
}

impl Pe {
    /// Starts one and waits until it is registered.
    pub(crate) fn start(registrar: &Registrar, pool: &str, args: &[&str]) -> Pe {
        let mut command = rsp_at(registrar, &["pe", "run", "--pool", pool, "--listen", "127.0.0.1:0", "-o", "json"]);
        command.args(args);
        let process = Process::spawn(command);
        let registered = event(&process, "registered");
        let text = |name: &str| registered[name].as_str().expect("it is text").to_owned();
        assert_eq!((text("pool"), text("home")), (pool.to_owned(), registrar.asap.to_string()));
        Pe { id: text("pe"), listen: text("listen"), process }
    }
}

/// The next event of this name, passing over others.
pub(crate) fn event(process: &Process, name: &str) -> Value {
    let line = process.line_where(|line| json(line)["event"] == name);
    json(&line)
}

pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is not JSON: {error}"))
}

/// Removes the one of these that has this id.
pub(crate) fn take(pes: &mut Vec<Pe>, id: &str) -> Pe {
    let place = pes.iter().position(|pe| pe.id == id).unwrap_or_else(|| panic!("{id} is none of {pes:?}"));
    pes.remove(place)
}
