// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernel SCTP where this kernel has none: the same program in a virtual machine whose kernel does.

use std::path::Path;
use std::process::Command;

/// Runs the tests of kernel SCTP that the arguments choose, in the machine. Whether all passed.
pub(crate) fn run(arguments: &[String]) -> bool {
    if std::env::var_os("RSERPOOL_NO_VM").is_some_and(|value| value == "1") {
        println!("not tested: kernel SCTP, since RSERPOOL_NO_VM=1 is set");
        return true;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/sctp-vm");
    let mut command = Command::new(script);
    command.args(["--timeout", "1200", "--env", "RSERPOOL_BACK_END=sctp-kernel"]);
    command.args(["--env", "RSERPOOL_ASSOCIATIONS", "--env", "RUST_BACKTRACE"]);
    command.arg(std::env::current_exe().expect("this program has a file"));
    let status = command.args(arguments).status().expect("there is a shell");
    // 125: the machine did not start, which is a failure as any other.
    println!("in the virtual machine: {status}");
    status.success()
}
