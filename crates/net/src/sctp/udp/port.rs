// SPDX-License-Identifier: MIT OR Apache-2.0
//! A UDP port: datagrams in batches, each with the address of ours it was sent to, and what ICMP says of those we sent.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

use super::engine::{PortId, Transmit};

/// A UDP socket. Dropping it frees the port at once.
#[derive(Debug)]
pub(super) struct UdpPort {
    pub(super) id: PortId,
    pub(super) local: SocketAddr,
    io: AsyncFd<UdpSocket>,
    is_ipv6: bool,
    /// Ends the task that reads it.
    pub(super) reader: OnceLock<AbortHandle>,
}

/// Memory for datagrams that are read at once.
pub(super) struct Batch {
    bytes: Vec<u8>,
    read: Vec<(usize, SocketAddr, Option<IpAddr>)>,
}

impl UdpPort {
    /// Takes a UDP port; 0 is any. `[::]` takes IPv4 too. Must be called inside the runtime.
    pub(super) fn bind(address: SocketAddr, dual: bool, id: PortId) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!dual)?;
        }
        socket.set_nonblocking(true)?;
        let is_ipv6 = address.is_ipv6();
        let fd = socket.as_raw_fd();
        if is_ipv6 {
            set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
            set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR)?;
        }
        if !is_ipv6 || dual {
            set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO)?;
            set(fd, libc::IPPROTO_IP, libc::IP_RECVERR)?;
        }
        // So that what ICMP says wakes the reader.
        set(fd, libc::SOL_SOCKET, libc::SO_SELECT_ERR_QUEUE)?;
        enlarge_buffers(&socket);
        socket.bind(&address.into())?;
        let local = socket.local_addr()?.as_socket().map_or(address, crate::tcp::canonical);
        let interest = Interest::READABLE | Interest::PRIORITY;
        let io =
            // SAFETY: a `UdpSocket` owns its descriptor and keeps it until it is dropped.
            unsafe { AsyncFd::register_with_interest(UdpSocket::from(socket), interest) }?;
        Ok(UdpPort { id, local, io, is_ipv6, reader: OnceLock::new() })
    }

    /// Ready when datagrams or errors may be there. `read` answers whether there is nothing left.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, read: impl FnOnce() -> bool) -> Poll<()> {
        let Ok(mut guard) = ready!(self.io.poll_read_ready(cx)) else {
            // The runtime is shutting down.
            return Poll::Pending;
        };
        if read() {
            guard.clear_ready();
        }
        Poll::Ready(())
    }

    /// Reads what is there, as much as the batch holds; `false` if nothing is left.
    pub(super) fn receive(&self, batch: &mut Batch) -> bool {
        batch.read.clear();
        let mut headers: [libc::mmsghdr; BATCH] =
            // SAFETY: zero is a valid value of each of its fields: null pointers and lengths of 0.
            unsafe { zeroed() };
        let mut slices: [libc::iovec; BATCH] =
            // SAFETY: likewise.
            unsafe { zeroed() };
        let mut names: [MaybeUninit<libc::sockaddr_storage>; BATCH] = [const { MaybeUninit::zeroed() }; BATCH];
        let mut controls = [Control::default(); BATCH];
        for (at, datagram) in batch.bytes.chunks_exact_mut(DATAGRAM).enumerate() {
            slices[at] = libc::iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: DATAGRAM };
            let header = &mut headers[at].msg_hdr;
            header.msg_name = names[at].as_mut_ptr().cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_iov = &mut slices[at];
            header.msg_iovlen = 1;
            header.msg_control = controls[at].0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>();
        }
        let count =
            // SAFETY: each header points to a name, a control buffer and one slice of `DATAGRAM` bytes, which live and are
            // borrowed by nobody else until the call is over.
            unsafe { libc::recvmmsg(self.fd(), headers.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT, std::ptr::null_mut()) };
        let Ok(count) = usize::try_from(count) else {
            // An error that ICMP brought is taken off by being reported: the datagrams are still there.
            return io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock;
        };
        for at in 0..count {
            let header = &headers[at];
            let is_whole = header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) == 0;
            if is_whole && let Some(from) = address_of(&names[at], header.msg_hdr.msg_namelen) {
                let length = (header.msg_len as usize).min(DATAGRAM);
                batch.read.push((at * DATAGRAM + length, from, destination(&header.msg_hdr)));
            } else {
                batch.read.push((at * DATAGRAM, crate::tcp::UNSPECIFIED, None));
            }
        }
        count == BATCH
    }

    /// Calls `report` for each of our datagrams that met a closed port, with where it went and how it began.
    pub(super) fn unreachable(&self, mut report: impl FnMut(SocketAddr, &[u8])) {
        for _ in 0..MOST_REPORTS {
            let mut quoted = [0u8; QUOTED];
            let mut slice = libc::iovec { iov_base: quoted.as_mut_ptr().cast(), iov_len: QUOTED };
            let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
            let mut control = Control::default();
            let mut header: libc::msghdr =
                // SAFETY: zero is a valid value of each of its fields.
                unsafe { zeroed() };
            header.msg_name = name.as_mut_ptr().cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_iov = &mut slice;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>();
            let length =
                // SAFETY: the header points to a name, a control buffer and a slice, which live until the call is over.
                unsafe { libc::recvmsg(self.fd(), &mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
            let Ok(length) = usize::try_from(length) else { return };
            if is_closed_port(&header)
                && let Some(to) = address_of(&name, header.msg_namelen)
            {
                report(to, &quoted[..length.min(QUOTED)]);
            }
        }
    }

    /// Sends datagrams, those that leave from this port. What the system has no room for is lost, as in any network.
    pub(super) fn send(&self, transmits: &[Transmit]) {
        let mut rest = transmits.iter().filter(|transmit| transmit.port == self.id).peekable();
        while rest.peek().is_some() {
            let batch: smallvec::SmallVec<[&Transmit; BATCH]> = rest.by_ref().take(BATCH).collect();
            self.send_batch(&batch);
        }
    }

    fn send_batch(&self, transmits: &[&Transmit]) {
        let mut headers: [libc::mmsghdr; BATCH] =
            // SAFETY: zero is a valid value of each of its fields.
            unsafe { zeroed() };
        let mut slices: [libc::iovec; BATCH] =
            // SAFETY: likewise.
            unsafe { zeroed() };
        let names: smallvec::SmallVec<[SockAddr; BATCH]> =
            transmits.iter().map(|transmit| SockAddr::from(self.native(transmit.to))).collect();
        let mut controls = [Control::default(); BATCH];
        for (at, transmit) in transmits.iter().enumerate() {
            slices[at] =
                libc::iovec { iov_base: transmit.packet.as_ptr().cast_mut().cast(), iov_len: transmit.packet.len() };
            let header = &mut headers[at].msg_hdr;
            header.msg_name = names[at].as_ptr().cast_mut().cast();
            header.msg_namelen = names[at].len();
            header.msg_iov = &mut slices[at];
            header.msg_iovlen = 1;
            if let Some(from) = transmit.from {
                header.msg_control = controls[at].0.as_mut_ptr().cast();
                header.msg_controllen = size_of::<Control>();
                self.pin_source(header, from);
            }
        }
        let (mut sent, mut failures) = (0, 0);
        while sent < transmits.len() {
            let count =
                // SAFETY: the headers from `sent` on point to names, control buffers and packets that live until the call is
                // over; the system only reads them.
                unsafe {
                    libc::sendmmsg(
                        self.fd(),
                        headers[sent..].as_mut_ptr(),
                        (transmits.len() - sent) as u32,
                        libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                    )
                };
            match usize::try_from(count) {
                Ok(count) if count > 0 => (sent, failures) = (sent + count, 0),
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() == io::ErrorKind::WouldBlock {
                        return tracing::debug!(port = %self.local, "no room to send: datagrams are lost");
                    }
                    // What ICMP said of an earlier one is reported once here, before the datagram is looked at.
                    failures += 1;
                    if failures > 1 {
                        tracing::debug!(to = %transmits[sent].to, %error, "a datagram cannot be sent");
                        (sent, failures) = (sent + 1, 0);
                    }
                }
            }
        }
    }

    /// An address as this socket knows it.
    fn native(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.is_ipv6 => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
            other => other,
        }
    }

    /// Writes which address of ours a datagram leaves from.
    fn pin_source(&self, header: &mut libc::msghdr, from: IpAddr) {
        match from {
            IpAddr::V4(ip) if !self.is_ipv6 => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                put_control(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            IpAddr::V6(_) if !self.is_ipv6 => header.msg_controllen = 0,
            ip => {
                let ip = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
                put_control(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
        }
    }

    fn fd(&self) -> RawFd {
        self.io.get_ref().as_raw_fd()
    }
}

impl Drop for UdpPort {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.get() {
            reader.abort();
        }
    }
}

impl Batch {
    pub(super) fn new() -> Self {
        Batch { bytes: vec![0; BATCH * DATAGRAM], read: Vec::with_capacity(BATCH) }
    }

    /// The datagrams that were read: their bytes, their senders, and where they were sent.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (&[u8], SocketAddr, Option<IpAddr>)> {
        self.read.iter().enumerate().map(|(at, (end, from, to))| (&self.bytes[at * DATAGRAM..*end], *from, *to))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read.is_empty()
    }
}

/// Room for control messages, aligned as they must be.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 256]);

impl Default for Control {
    fn default() -> Self {
        Control([0; 256])
    }
}

fn set(fd: RawFd, level: i32, option: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    let result =
        // SAFETY: `on` lives until the call is over, and its size is given.
        unsafe { libc::setsockopt(fd, level, option, (&raw const on).cast(), size_of::<libc::c_int>() as u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// All associations of the port share these buffers. Without the right to it, the system's limit applies.
fn enlarge_buffers(socket: &Socket) {
    let size: libc::c_int = BUFFER;
    for (option, forced) in [(libc::SO_RCVBUF, libc::SO_RCVBUFFORCE), (libc::SO_SNDBUF, libc::SO_SNDBUFFORCE)] {
        for option in [option, forced] {
            // SAFETY: `size` lives until the call is over, and its size is given.
            unsafe {
                let size_of = size_of::<libc::c_int>() as u32;
                libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const size).cast(), size_of);
            }
        }
    }
}

fn address_of(name: &MaybeUninit<libc::sockaddr_storage>, length: u32) -> Option<SocketAddr> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `SockAddrStorage` is a `sockaddr_storage`; `name` was zeroed, and then perhaps written by the system.
    let address = unsafe {
        *storage.view_as::<libc::sockaddr_storage>() = name.assume_init();
        SockAddr::new(storage, length)
    };
    Some(match address.as_socket()? {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
        },
        v4 => v4,
    })
}

/// The address of ours that a datagram was sent to.
fn destination(header: &libc::msghdr) -> Option<IpAddr> {
    each_control(header, |level, kind, data| match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // ipi_ifindex, ipi_spec_dst, ipi_addr: the last is what stood in the packet.
            let ip = data.get(8..12)?;
            Some(IpAddr::V4(Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3])))
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let ip: [u8; 16] = *data.first_chunk()?;
            Some(Ipv6Addr::from(ip).to_canonical())
        }
        _ => None,
    })
}

/// Whether an entry of the error queue is ICMP's word that nobody has the port, or no SCTP over UDP.
fn is_closed_port(header: &libc::msghdr) -> bool {
    each_control(header, |level, kind, data| {
        let is_error =
            matches!((level, kind), (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR));
        // sock_extended_err: ee_errno, then ee_origin, ee_type, ee_code.
        let [_, _, _, _, origin, kind, code, ..] = *data.first_chunk::<8>()?;
        let is_closed = matches!(
            (origin, kind, code),
            (libc::SO_EE_ORIGIN_ICMP, ICMP_UNREACHABLE, ICMP_PROTOCOL | ICMP_PORT)
                | (libc::SO_EE_ORIGIN_ICMP6, ICMP6_UNREACHABLE, ICMP6_PORT)
        );
        (is_error && is_closed).then_some(())
    })
    .is_some()
}

/// The first answer of `look` to a control message's level, type and data.
fn each_control<T>(header: &libc::msghdr, mut look: impl FnMut(i32, i32, &[u8]) -> Option<T>) -> Option<T> {
    // SAFETY: `header` was written by recvmsg(), its control buffer lives; CMSG_NXTHDR stays inside of it, and `cmsg_len`
    // of what the system wrote counts the bytes that are there.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = message.as_ref() {
            let length = control.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
            let data = std::slice::from_raw_parts(libc::CMSG_DATA(message), length);
            if let Some(found) = look(control.cmsg_level, control.cmsg_type, data) {
                return Some(found);
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

/// Writes the one control message of `header`.
fn put_control<T>(header: &mut libc::msghdr, level: i32, kind: i32, data: T) {
    const { assert!(size_of::<T>() <= 64) }
    // SAFETY: the control buffer is a `Control` of 256 bytes, aligned for a header, and no message is longer than that.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        if let Some(control) = message.as_mut() {
            control.cmsg_level = level;
            control.cmsg_type = kind;
            control.cmsg_len = libc::CMSG_LEN(size_of::<T>() as u32) as usize;
            libc::CMSG_DATA(message).cast::<T>().write_unaligned(data);
            header.msg_controllen = libc::CMSG_SPACE(size_of::<T>() as u32) as usize;
        }
    }
}

/// Datagrams read or sent at once.
const BATCH: usize = 16;

/// The largest datagram there is. Of most only the first page is ever touched.
const DATAGRAM: usize = 64 << 10;

/// Room in the system for datagrams not read yet.
const BUFFER: libc::c_int = 4 << 20;

/// As much of a datagram as is quoted is looked at.
const QUOTED: usize = 64;

/// Reports read at once.
const MOST_REPORTS: usize = 64;

const ICMP_UNREACHABLE: u8 = 3;
const ICMP_PROTOCOL: u8 = 2;
const ICMP_PORT: u8 = 3;
const ICMP6_UNREACHABLE: u8 = 1;
const ICMP6_PORT: u8 = 4;
