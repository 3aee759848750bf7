// SPDX-License-Identifier: MIT OR Apache-2.0
//! A one-to-many SCTP socket of the kernel (RFC 6458 §3): system calls and options, nothing decided. Raw options, no libsctp.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use socket2::{Domain, Type};
use tokio::io::unix::AsyncFd;

use super::layout::{self, Fields, i32_at, u16_at, u32_at, u64_at};
use super::notification::{SENDER_DRY_EVENT, WANTED};

/// The socket. Non-blocking; closing it ends its associations in order.
#[derive(Debug)]
pub(super) struct Socket(socket2::Socket);

/// What goes with a message (RFC 6458 §5.3.4 SCTP_SNDINFO, §5.3.7 SCTP_PRINFO).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SendInfo {
    pub(super) association: i32,
    pub(super) stream: u16,
    pub(super) flags: u16,
    pub(super) ppid: u32,
    pub(super) context: u32,
    pub(super) lifetime: Option<Duration>,
}

/// What `recvmsg` gave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    /// Bytes of it; none means that there is nothing more for ever.
    pub(super) length: usize,
    /// The rest of the message follows with the next call.
    pub(super) more: bool,
    /// Not a message but news from the kernel.
    pub(super) notification: bool,
    pub(super) info: ReceiveInfo,
}

/// RFC 6458 §5.3.5 SCTP_RCVINFO.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ReceiveInfo {
    pub(super) association: i32,
    pub(super) stream: u16,
    pub(super) unordered: bool,
    pub(super) ppid: u32,
}

/// What the kernel knows of one of the peer's addresses (RFC 6458 §8.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PathInfo {
    pub(super) address: SocketAddr,
    pub(super) active: bool,
    pub(super) cwnd: u32,
    pub(super) srtt: Duration,
    pub(super) rto: Duration,
    pub(super) mtu: u32,
}

impl Socket {
    /// A socket for these addresses: with an IPv6 one among them it carries both.
    pub(super) fn new(addresses: &[SocketAddr]) -> io::Result<Self> {
        let domain = if addresses.iter().any(SocketAddr::is_ipv6) { Domain::IPV6 } else { Domain::IPV4 };
        let kind = Type::SEQPACKET.nonblocking().cloexec();
        let socket = Socket(socket2::Socket::new(domain, kind, Some(libc::IPPROTO_SCTP.into()))?);
        if domain == Domain::IPV6 {
            // `[::]` alone takes IPv4 too, as on TCP; any other address means itself.
            socket.0.set_only_v6(addresses.iter().all(|a| a.is_ipv6() && !a.ip().is_unspecified()))?;
            socket.set(I_WANT_MAPPED_V4_ADDR, Fields::<4>::new().bytes())?;
        }
        socket.set(RECVRCVINFO, Fields::<4>::new().u32(0, 1).bytes())?;
        // Answers must not wait for one another; what is sent together is bundled by MSG_MORE.
        socket.set(NODELAY, Fields::<4>::new().u32(0, 1).bytes())?;
        // Half of it is the window, which must have room for more than one of the longest messages, or the kernel waits for the rest of one for
        // ever. The system's own limit (net.core.rmem_max) wins.
        socket.0.set_recv_buffer_size(BUFFER)?;
        socket.0.set_send_buffer_size(BUFFER)?;
        socket.set(MAXSEG, Fields::<8>::new().u32(4, MOST_FRAGMENT).bytes())?;
        for event in WANTED {
            socket.subscribe(0, event)?;
        }
        Ok(socket)
    }

    /// Has the runtime wait for it. Must be called inside the runtime.
    pub(super) fn register(self) -> io::Result<AsyncFd<Socket>> {
        // SAFETY: the descriptor is ours for as long as the `Socket` lives, and nothing exchanges it for another one.
        Ok(unsafe { AsyncFd::register(self) }?)
    }

    /// Takes the same port on all addresses; 0 means one that is free. `reuse` lets go through what only associations hold.
    pub(super) fn bind(&self, addresses: &[SocketAddr], reuse: bool) -> io::Result<()> {
        self.0.set_reuse_address(reuse)?;
        let Some((first, others)) = addresses.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        self.0.bind(&(*first).into())?;
        let port = self.0.local_addr()?.as_socket().map_or(0, |address| address.port());
        let others: Vec<_> = others.iter().map(|address| SocketAddr::new(address.ip(), port)).collect();
        if !others.is_empty() {
            self.add_addresses(&others)?;
        }
        // Until it is listened on, nobody else may have it on the same terms.
        self.0.set_reuse_address(false)
    }

    /// Associations come in from here on. They do not keep the port from whoever comes after us.
    pub(super) fn listen(&self, backlog: i32) -> io::Result<()> {
        self.0.set_reuse_address(true)?;
        self.0.listen(backlog)
    }

    /// `sctp_connectx()`: begins an association with one peer that has all these addresses.
    pub(super) fn connect(&self, addresses: &[SocketAddr]) -> io::Result<()> {
        match self.set(CONNECTX, &layout::pack(addresses)) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
            result => result,
        }
    }

    /// `sctp_bindx()`: with associations on this socket, their peers are told (RFC 5061).
    pub(super) fn add_addresses(&self, addresses: &[SocketAddr]) -> io::Result<()> {
        self.set(BINDX_ADD, &layout::pack(addresses))
    }

    pub(super) fn remove_addresses(&self, addresses: &[SocketAddr]) -> io::Result<()> {
        self.set(BINDX_REM, &layout::pack(addresses))
    }

    /// `sctp_peeloff()`: the association gets a socket of its own, and what was queued for it moves there.
    pub(super) fn peel_off(&self, association: i32) -> io::Result<Socket> {
        let flags = (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) as u32;
        let mut fields = Fields::<12>::of(association).u32(8, flags);
        self.get(PEELOFF_FLAGS, fields.bytes_mut())?;
        let descriptor = i32_at(fields.bytes(), 4).filter(|fd| *fd >= 0).ok_or(io::ErrorKind::InvalidData)?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        Ok(Socket(unsafe { OwnedFd::from_raw_fd(descriptor) }.into()))
    }

    /// Hands one message to the kernel. `more` says that another follows at once, to leave in the same packet.
    pub(super) fn send(&self, info: SendInfo, data: &[u8], more: bool) -> io::Result<()> {
        let mut control = ControlMessages::default();
        let fields = Fields::<16>::new().u16(0, info.stream).u16(2, info.flags);
        // The kernel carries the PPID as it is given: RFC 6458 §5.3.4 has the sender see to the byte order.
        let fields = fields.u32(4, info.ppid.to_be()).u32(8, info.context).u32(12, info.association as u32);
        control.push(SNDINFO, fields.bytes());
        if let Some(lifetime) = info.lifetime {
            let milliseconds = u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX).max(1);
            control.push(PRINFO, Fields::<8>::new().u16(0, PR_SCTP_TTL).u32(4, milliseconds).bytes());
        }
        let mut part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
        // SAFETY: all-zero is a valid msghdr: no name, no parts, no control.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.bytes.as_mut_ptr().cast();
        message.msg_controllen = control.length as _;
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | if more { libc::MSG_MORE } else { 0 };
        // SAFETY: `message` points to `part` and `control`, and `part` to `data`: all live until the call returns, and sendmsg only reads them.
        let sent = unsafe { libc::sendmsg(self.as_raw_fd(), &raw const message, flags) };
        // A message is taken whole or not at all.
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Appends the next message, notification or piece of one to `buffer`, as much as its spare room takes.
    pub(super) fn receive(&self, buffer: &mut BytesMut) -> io::Result<Received> {
        let mut control = [0_u8; 128];
        let room = buffer.spare_capacity_mut();
        let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        // SAFETY: all-zero is a valid msghdr: no name, no parts, no control.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len() as _;
        // SAFETY: `message` points to `part` and `control`, and `part` to the spare room of `buffer`, with their true lengths.
        let received = unsafe { libc::recvmsg(self.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
        let Ok(length) = usize::try_from(received) else { return Err(io::Error::last_os_error()) };
        // SAFETY: the kernel has filled that many bytes of the spare room, and never more than `iov_len`.
        unsafe { buffer.advance_mut(length) };
        let control = &control[..(message.msg_controllen as usize).min(control.len())];
        Ok(Received {
            length,
            more: message.msg_flags & libc::MSG_EOR == 0,
            notification: message.msg_flags & MSG_NOTIFICATION != 0,
            info: receive_info(control).unwrap_or_default(),
        })
    }

    /// The address of an IPv4 socket, or of an IPv6 one, with its port.
    pub(super) fn port(&self) -> io::Result<u16> {
        Ok(self.0.local_addr()?.as_socket().map_or(0, |address| address.port()))
    }

    /// All addresses of the peer.
    pub(super) fn peer_addresses(&self, association: i32) -> io::Result<Vec<SocketAddr>> {
        self.addresses(GET_PEER_ADDRS, association)
    }

    /// All our addresses: of the association, or with 0 those that are bound.
    pub(super) fn local_addresses(&self, association: i32) -> io::Result<Vec<SocketAddr>> {
        self.addresses(GET_LOCAL_ADDRS, association)
    }

    /// What is known of the path to one of the peer's addresses.
    pub(super) fn path(&self, association: i32, address: SocketAddr) -> io::Result<PathInfo> {
        let mut fields = Fields::<152>::of(association).address(4, address);
        let length = self.get(GET_PEER_ADDR_INFO, fields.bytes_mut())?;
        path_info(&fields.bytes()[..length]).ok_or(io::ErrorKind::InvalidData.into())
    }

    /// What is known of the path messages take (RFC 6458 §8.2.1 SCTP_STATUS).
    pub(super) fn primary_path(&self, association: i32) -> io::Result<PathInfo> {
        let mut fields = Fields::<176>::of(association);
        let length = self.get(STATUS, fields.bytes_mut())?;
        fields.bytes()[..length].get(24..).and_then(path_info).ok_or(io::ErrorKind::InvalidData.into())
    }

    /// Packets received on this association, whatever was in them.
    pub(super) fn packets_received(&self, association: i32) -> io::Result<u64> {
        let mut fields = Fields::<256>::of(association);
        let length = self.get(GET_ASSOC_STATS, fields.bytes_mut())?;
        u64_at(&fields.bytes()[..length], 168).ok_or(io::ErrorKind::InvalidData.into())
    }

    /// Messages that were sent and then given up because their lifetime was over (RFC 7496 §4.3 SCTP_PR_ASSOC_STATUS).
    pub(super) fn abandoned(&self, association: i32) -> io::Result<u64> {
        let mut fields = Fields::<24>::of(association).u16(6, PR_SCTP_TTL);
        let length = self.get(PR_ASSOC_STATUS, fields.bytes_mut())?;
        u64_at(&fields.bytes()[..length], 16).ok_or(io::ErrorKind::InvalidData.into())
    }

    pub(super) fn set_primary(&self, association: i32, address: SocketAddr) -> io::Result<()> {
        self.set(PRIMARY_ADDR, Fields::<132>::of(association).address(4, address).bytes())
    }

    /// Asks the peer to send to this address of ours (RFC 5061 §4.2.4).
    pub(super) fn set_peer_primary(&self, association: i32, address: SocketAddr) -> io::Result<()> {
        self.set(SET_PEER_PRIMARY_ADDR, Fields::<132>::of(association).address(4, address).bytes())
    }

    /// RFC 6458 §8.1.1 SCTP_RTOINFO.
    pub(super) fn set_rto(&self, initial: Duration, min: Duration, max: Duration) -> io::Result<()> {
        let fields = Fields::<16>::new().u32(4, milliseconds(initial)).u32(8, milliseconds(max));
        self.set(RTOINFO, fields.u32(12, milliseconds(min)).bytes())
    }

    /// Retransmissions after which the peer is given up (RFC 6458 §8.1.2 SCTP_ASSOCINFO).
    pub(super) fn set_association_max_retrans(&self, most: u16) -> io::Result<()> {
        self.set(ASSOCINFO, Fields::<20>::new().u16(4, most).bytes())
    }

    /// Streams out, streams in, and how often and how patiently an INIT is sent (RFC 6458 §8.1.3 SCTP_INITMSG).
    pub(super) fn set_init(&self, streams: u16, attempts: u16, longest: Duration) -> io::Result<()> {
        let longest = u16::try_from(longest.as_millis()).unwrap_or(u16::MAX);
        self.set(INITMSG, Fields::<8>::new().u16(0, streams).u16(2, u16::MAX).u16(4, attempts).u16(6, longest).bytes())
    }

    /// How often an idle path is probed and how many answers may be missing (RFC 6458 §8.1.12 SCTP_PEER_ADDR_PARAMS): of this association, or with
    /// 0 of those to come.
    pub(super) fn set_path_heartbeat(&self, association: i32, interval: Duration, max_retrans: u16) -> io::Result<()> {
        let fields = Fields::<156>::of(association).u32(132, milliseconds(interval)).u16(136, max_retrans);
        self.set(PEER_ADDR_PARAMS, fields.u32(146, HB_ENABLE).bytes())
    }

    /// Sends a HEARTBEAT on every path now.
    pub(super) fn heartbeat_now(&self, association: i32) -> io::Result<()> {
        self.set(PEER_ADDR_PARAMS, Fields::<156>::of(association).u32(146, HB_DEMAND).bytes())
    }

    /// How long a SACK may wait for something to ride on, and for how many packets (RFC 6458 §8.1.19 SCTP_DELAYED_SACK).
    pub(super) fn set_delayed_sack(&self, delay: Duration) -> io::Result<()> {
        self.set(DELAYED_SACK, Fields::<12>::new().u32(4, milliseconds(delay)).u32(8, 2).bytes())
    }

    /// Peers of this socket are reached over UDP, at this port (RFC 6951). On FreeBSD the option is 0x24; on Linux that number is another option,
    /// taken without an error.
    pub(super) fn set_remote_encapsulation_port(&self, port: u16) -> io::Result<()> {
        self.set(REMOTE_UDP_ENCAPS_PORT, Fields::<144>::new().u16(136, port.to_be()).bytes())
    }

    /// Whether this association has the extension, or with 0 the kernel: [`ASCONF_SUPPORTED`], [`AUTH_SUPPORTED`], [`PR_SUPPORTED`].
    pub(super) fn supports(&self, association: i32, extension: i32) -> bool {
        let mut fields = Fields::<8>::of(association);
        self.get(extension, fields.bytes_mut()).is_ok() && u32_at(fields.bytes(), 4).is_some_and(|value| value != 0)
    }

    /// Has the kernel say [`Dry`](super::notification::Notification::Dry) when nothing is in flight; at once if so it is.
    pub(super) fn ask_if_dry(&self, association: i32) -> io::Result<()> {
        self.subscribe(association, SENDER_DRY_EVENT)
    }

    fn subscribe(&self, association: i32, event: u16) -> io::Result<()> {
        self.set(EVENT, Fields::<8>::of(association).u16(4, event).u8(6, 1).bytes())
    }

    fn addresses(&self, option: i32, association: i32) -> io::Result<Vec<SocketAddr>> {
        let mut buffer = vec![0; MOST_ADDRESSES];
        buffer[..4].copy_from_slice(&association.to_ne_bytes());
        // The length that comes back is with the header for the one option and without for the other; what was not written is zero.
        self.get(option, &mut buffer)?;
        let count = u32_at(&buffer, 4).unwrap_or(0) as usize;
        Ok(layout::unpack(&buffer[8..], count))
    }

    fn set(&self, option: i32, value: &[u8]) -> io::Result<()> {
        let length = value.len() as libc::socklen_t;
        // SAFETY: the kernel reads `length` bytes from `value`, which is that long.
        let result =
            unsafe { libc::setsockopt(self.as_raw_fd(), libc::IPPROTO_SCTP, option, value.as_ptr().cast(), length) };
        // sctp_connectx() answers with an association id.
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Both ways: `value` says what is asked for and takes the answer. How long that is.
    fn get(&self, option: i32, value: &mut [u8]) -> io::Result<usize> {
        let mut length = value.len() as libc::socklen_t;
        // SAFETY: the kernel reads and writes at most `length` bytes of `value`, which is that long, and then says how many in `length`.
        let result = unsafe {
            libc::getsockopt(self.as_raw_fd(), libc::IPPROTO_SCTP, option, value.as_mut_ptr().cast(), &raw mut length)
        };
        // sctp_peeloff() answers with a descriptor.
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok((length as usize).min(value.len())) }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Control messages one behind the other: `struct cmsghdr`, the data, and room up to the next word.
#[derive(Debug)]
struct ControlMessages {
    bytes: [u8; 96],
    length: usize,
}

impl Default for ControlMessages {
    fn default() -> Self {
        ControlMessages { bytes: [0; 96], length: 0 }
    }
}

impl ControlMessages {
    fn push(&mut self, kind: i32, data: &[u8]) {
        let length = HEADER + data.len();
        let place = &mut self.bytes[self.length..];
        place[..WORD].copy_from_slice(&length.to_ne_bytes());
        place[WORD..WORD + 4].copy_from_slice(&libc::IPPROTO_SCTP.to_ne_bytes());
        place[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        place[HEADER..length].copy_from_slice(data);
        self.length += length.next_multiple_of(WORD);
    }
}

/// The SCTP_RCVINFO among the control messages.
fn receive_info(mut control: &[u8]) -> Option<ReceiveInfo> {
    loop {
        let length = usize::from_ne_bytes(*control.first_chunk()?);
        let data = control.get(HEADER..length)?;
        if i32_at(control, WORD)? == libc::IPPROTO_SCTP && i32_at(control, WORD + 4)? == RCVINFO {
            return Some(ReceiveInfo {
                association: i32_at(data, 24)?,
                stream: u16_at(data, 0)?,
                unordered: u16_at(data, 4)? & UNORDERED != 0,
                ppid: u32::from_be(u32_at(data, 8)?),
            });
        }
        control = control.get(length.next_multiple_of(WORD)..)?;
    }
}

/// `struct sctp_paddrinfo`.
fn path_info(bytes: &[u8]) -> Option<PathInfo> {
    Some(PathInfo {
        address: layout::address_at(bytes, 4)?,
        active: matches!(i32_at(bytes, 132)?, ACTIVE | POTENTIALLY_FAILED),
        cwnd: u32_at(bytes, 136)?,
        // RFC 6458 has both in milliseconds; Linux converts the one and forgets the other.
        srtt: tick() * u32_at(bytes, 140)?,
        rto: Duration::from_millis(u32_at(bytes, 144)?.into()),
        mtu: u32_at(bytes, 148)?,
    })
}

/// Does it with all these addresses or, where the kernel has no IPv6, with the others.
pub(super) fn or_ipv4<T>(addresses: &[SocketAddr], with: impl Fn(&[SocketAddr]) -> io::Result<T>) -> io::Result<T> {
    let result = with(addresses);
    let is_unknown = |error: &io::Error| error.raw_os_error() == Some(libc::EAFNOSUPPORT);
    if !result.as_ref().is_err_and(is_unknown) {
        return result;
    }
    let others: Vec<_> = addresses.iter().copied().filter(SocketAddr::is_ipv4).collect();
    if others.is_empty() { result } else { with(&others) }
}

/// What the kernel counts its timers in ("jiffy"): between 1 and 10 ms.
fn tick() -> Duration {
    static TICK: OnceLock<Duration> = OnceLock::new();
    *TICK.get_or_init(|| {
        let mut resolution = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the kernel writes one timespec to where there is one.
        unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &raw mut resolution) };
        Duration::from_nanos(resolution.tv_nsec as u64)
    })
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// Flags of [`SendInfo`].
pub(super) const UNORDERED: u16 = 1 << 0;
/// Ends the association with an ABORT.
pub(super) const ABORT: u16 = 1 << 2;
/// Asks the peer not to put off its SACK (RFC 7053).
pub(super) const SACK_IMMEDIATELY: u16 = 1 << 3;
/// Ends the association in order (SCTP_EOF).
pub(super) const END: u16 = 0x200;

/// What a kernel may offer.
pub(super) const PR_SUPPORTED: i32 = 113;
pub(super) const ASCONF_SUPPORTED: i32 = 128;
pub(super) const AUTH_SUPPORTED: i32 = 129;

const RTOINFO: i32 = 0;
const ASSOCINFO: i32 = 1;
const INITMSG: i32 = 2;
const NODELAY: i32 = 3;
const SET_PEER_PRIMARY_ADDR: i32 = 5;
const PRIMARY_ADDR: i32 = 6;
const PEER_ADDR_PARAMS: i32 = 9;
const I_WANT_MAPPED_V4_ADDR: i32 = 12;
const MAXSEG: i32 = 13;
const STATUS: i32 = 14;
const GET_PEER_ADDR_INFO: i32 = 15;
const DELAYED_SACK: i32 = 16;
const RECVRCVINFO: i32 = 32;
const BINDX_ADD: i32 = 100;
const BINDX_REM: i32 = 101;
const GET_PEER_ADDRS: i32 = 108;
const GET_LOCAL_ADDRS: i32 = 109;
const CONNECTX: i32 = 110;
const GET_ASSOC_STATS: i32 = 112;
const PR_ASSOC_STATUS: i32 = 115;
const PEELOFF_FLAGS: i32 = 122;
const EVENT: i32 = 127;
const REMOTE_UDP_ENCAPS_PORT: i32 = 132;

/// Control messages.
const SNDINFO: i32 = 2;
const RCVINFO: i32 = 3;
const PRINFO: i32 = 5;

const MSG_NOTIFICATION: i32 = 0x8000;
const PR_SCTP_TTL: u16 = 0x10;
const HB_ENABLE: u32 = 1 << 0;
const HB_DEMAND: u32 = 1 << 2;
/// `enum sctp_spinfo_state`; the others are inactive and not confirmed yet.
const POTENTIALLY_FAILED: i32 = 1;
const ACTIVE: i32 = 2;

/// Bytes of the kernel's memory for each direction; taken as they are used.
const BUFFER: usize = 1 << 20;

/// The largest piece of a message in a packet, where the path takes more: a window of such pieces is used up evenly.
const MOST_FRAGMENT: u32 = 16 << 10;

const WORD: usize = size_of::<usize>();
const HEADER: usize = size_of::<libc::cmsghdr>();

/// Room for the addresses of one peer: a packet of INIT carries some thousand bytes of them.
const MOST_ADDRESSES: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_ipv6_the_addresses_of_ipv4_do() {
        let addresses: Vec<SocketAddr> = ["[2001:db8::1]:7", "192.0.2.1:7"].map(|text| text.parse().unwrap()).into();
        let open = |these: &[SocketAddr]| match these.iter().any(SocketAddr::is_ipv6) {
            true => Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
            false => Ok(these.to_vec()),
        };
        assert_eq!(or_ipv4(&addresses, open).unwrap(), addresses[1..]);
        assert_eq!(or_ipv4(&addresses[..1], open).unwrap_err().raw_os_error(), Some(libc::EAFNOSUPPORT));
        let refuse = |_: &[SocketAddr]| Err::<(), _>(io::ErrorKind::AddrInUse.into());
        assert_eq!(or_ipv4(&addresses, refuse).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_tick_of_the_kernel_is_known() {
        assert!((Duration::from_millis(1)..=Duration::from_millis(10)).contains(&tick()), "{:?}", tick());
    }
}
