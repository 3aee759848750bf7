// SPDX-License-Identifier: MIT OR Apache-2.0
//! Component status: `rsp_csp_setstatus`, and the reports to the server that `struct rsp_info` names. A report is one UDP datagram, in the form
//! that RSPLIB's `cspmonitor` shows.

use std::ffi::{CStr, c_char, c_int};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::UdpSocket;

use crate::errno::Failure;
use crate::library::{Library, socket};
use crate::panic::boundary;

/// `rsp_csp_setstatus`
///
/// # Safety
/// `text` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_csp_setstatus(sd: c_int, session: c_int, text: *const c_char) -> c_int {
    boundary(-1, || {
        let (_, socket) = socket(sd)?;
        let number = u32::try_from(session).ok().filter(|number| *number == 0 || socket.has_session(*number));
        let number = number.ok_or_else(|| Failure::new(libc::ENOTCONN, "there is no such session"))?;
        // SAFETY: by the contract of this function.
        let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned());
        socket.with_by_hand(|it| match text {
            Some(text) if !text.is_empty() => drop(it.status.insert(number, text)),
            _ => drop(it.status.remove(&number)),
        })?;
        Ok(0)
    })
}

/// Reports from now on, as long as the library runs.
pub(super) fn start(library: &Arc<Library>, server: SocketAddr, interval: Duration, identifier: u64) {
    let weak = Arc::downgrade(library);
    library.runtime.spawn(async move {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let Ok(udp) = UdpSocket::bind(any).await else { return };
        let began = SystemTime::now();
        loop {
            let Some(library) = weak.upgrade() else { return };
            let (text, elements) = summary(&library);
            drop(library);
            let group = if elements { GROUP_POOL_ELEMENT } else { GROUP_POOL_USER };
            let own = if identifier == 0 { began_at(began) & OBJECT } else { identifier & OBJECT };
            let report = report(group << 56 | own, began_at(SystemTime::now()), interval, &text);
            // It is told again in a moment.
            let _ = udp.send_to(&report, server).await;
            tokio::time::sleep(interval).await;
        }
    });
}

/// What the sockets say, and whether pool elements are among them.
fn summary(library: &Library) -> (String, bool) {
    let (mut texts, mut elements, mut sessions) = (Vec::new(), false, 0);
    for socket in library.table.all() {
        elements |= socket.own_handle().0.is_some();
        sessions += socket.sessions();
        if let Ok(mut of_socket) = socket.with_by_hand(|it| it.status.values().cloned().collect::<Vec<_>>()) {
            of_socket.sort();
            texts.append(&mut of_socket);
        }
    }
    let text = if texts.is_empty() { format!("{sessions} Sessions") } else { texts.join("; ") };
    (text, elements)
}

fn report(sender: u64, now: u64, interval: Duration, text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend([TYPE_REPORT, 0]);
    bytes.extend((LENGTH as u16).to_be_bytes());
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend(sender.to_be_bytes());
    bytes.extend(now.to_be_bytes());
    bytes.extend(u32::try_from(interval.as_micros()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend([0; 128]);
    let mut status = [0; 128];
    for (place, byte) in status[..127].iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    bytes.extend(status);
    bytes.extend(NO_WORKLOAD.to_be_bytes());
    bytes.extend(0_u16.to_be_bytes());
    bytes
}

/// Microseconds since 1970.
fn began_at(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The server's port.
pub(super) const PORT: u16 = 2960;
const TYPE_REPORT: u8 = 1;
const VERSION: u32 = 0x0200;
const NO_WORKLOAD: u16 = 0xffff;
/// Header, two texts, workload and number of associations.
const LENGTH: usize = 4 + 4 + 8 + 8 + 4 + 128 + 128 + 2 + 2;
const GROUP_POOL_ELEMENT: u64 = 2;
const GROUP_POOL_USER: u64 = 3;
const OBJECT: u64 = (1 << 56) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_its_length_and_its_text_ends_with_nul() {
        let bytes = report(1, 2, Duration::from_secs(1), &"x".repeat(500));
        assert_eq!(bytes.len(), LENGTH);
        assert_eq!(bytes[2..4], (LENGTH as u16).to_be_bytes());
        assert_eq!((bytes[28 + 128 + 126], bytes[28 + 128 + 127]), (b'x', 0));
    }
}
