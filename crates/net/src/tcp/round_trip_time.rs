// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel knows of a connection's round-trip time: TCP_INFO.

use std::mem::{offset_of, size_of};
use std::os::fd::AsRawFd;
use std::time::Duration;

use tokio::net::TcpStream;

/// The smoothed round-trip time, if the system tells.
pub(super) fn of(stream: &TcpStream) -> Option<Duration> {
    // SAFETY: all zeros is a value of this structure of integers.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open while `stream` is borrowed; the kernel writes at most `length` bytes into `info`.
    let result = unsafe {
        libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut length)
    };
    let told = result == 0 && length as usize >= offset_of!(libc::tcp_info, tcpi_rtt) + size_of::<u32>();
    told.then(|| Duration::from_micros(info.tcpi_rtt.into())).filter(|rtt| !rtt.is_zero())
}
