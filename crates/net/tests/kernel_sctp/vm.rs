// SPDX-License-Identifier: MIT OR Apache-2.0
//! This very program, run where the kernel has SCTP.

use crate::common::has_kernel_sctp;

#[test]
fn all_of_this_holds_in_a_machine_whose_kernel_has_sctp() {
    let addresses = ["--sysctl", "net.sctp.addip_enable=1", "--sysctl", "net.sctp.auth_enable=1"];
    let options = [&["--package", "tshark"][..], &addresses].concat();
    sim::virtual_machine::run_where_the_kernel_has_sctp(has_kernel_sctp(), &options, &[]);
}
