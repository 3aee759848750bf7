// SPDX-License-Identifier: MIT OR Apache-2.0
//! This very program, run where the kernel has SCTP: the tests named `sctp`.

use crate::stage::has_kernel_sctp;

#[test]
fn the_services_hold_in_a_machine_whose_kernel_has_sctp() {
    // The machine has no compiler's time to spare.
    drop(sim::process::program("rsp-registrar", "rsp-registrar"));
    let those_over_it = ["::sctp", "vm::", "--skip", "sctp_udp"];
    sim::virtual_machine::run_where_the_kernel_has_sctp(has_kernel_sctp(), &[], &those_over_it);
}
