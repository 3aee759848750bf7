// SPDX-License-Identifier: MIT OR Apache-2.0
//! Captures from an interface: a packet socket (packet(7)) that hands up IP packets.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::net::if_::{if_indextoname, if_nameindex, if_nametoindex};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use tokio::io::unix::AsyncFd;

use super::{Frame, Limits, LinkType};

/// Why an interface can't be captured from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// It takes a right.
    #[error(
        "capturing takes the right CAP_NET_RAW: run it as root, or give it to the program once with `setcap cap_net_raw+ep`"
    )]
    NotAllowed,
    /// There is no such interface.
    #[error("there is no interface {name}: {known} or any")]
    NoInterface {
        /// What was asked for.
        name: String,
        /// Those that are there.
        known: String,
    },
    /// Anything else the system says.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The IP packets that pass an interface, in both directions.
pub struct LiveCapture {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
    control: Vec<u8>,
    /// The interface of the last packet.
    interface: (usize, String),
    dropped: u64,
}

impl LiveCapture {
    /// Begins to capture on the interface with this name; `any` means all. Must be called inside the runtime.
    pub fn open(interface: &str) -> Result<Self, LiveError> {
        let index = if interface == "any" {
            0
        } else {
            if_nametoindex(interface)
                .map_err(|_| LiveError::NoInterface { name: interface.to_owned(), known: known() })?
        };
        // Until it is bound, a socket for protocol 0 receives nothing, least of all from other interfaces.
        //
        // SAFETY: socket() takes no pointer.
        let fd =
            unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
        if fd < 0 {
            return Err(match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::PermissionDenied => LiveError::NotAllowed,
                error => error.into(),
            });
        }
        // SAFETY: socket() has just answered this descriptor, and nobody else knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        setsockopt(&socket, ReceiveTimestampns, &true).map_err(io::Error::from)?;
        // A burst must find room while we write; as much as we may have.
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER).map_err(io::Error::from)?;
        }
        bind(&socket, index)?;
        // SAFETY: an OwnedFd is the same open descriptor until it is dropped, which the AsyncFd does.
        let socket = unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)?;
        Ok(LiveCapture {
            socket,
            buffer: vec![0; Limits::default().frame],
            control: cmsg_space!(TimeSpec),
            interface: (0, String::new()),
            dropped: 0,
        })
    }

    /// Waits until there is a packet.
    pub async fn readable(&self) -> io::Result<()> {
        // Asked for each packet, so that what is ready is looked at first and waited for only when nothing is.
        self.socket.readable().await.map(|mut ready| ready.clear_ready())
    }

    /// The next packet, `None` while there is none.
    pub fn try_next(&mut self) -> io::Result<Option<Frame<'_>>> {
        loop {
            let mut slices = [IoSliceMut::new(&mut self.buffer)];
            let fd = self.socket.get_ref().as_raw_fd();
            let received = match recvmsg::<LinkAddr>(fd, &mut slices, Some(&mut self.control), MsgFlags::MSG_TRUNC) {
                Ok(received) => received,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => continue,
                // The interface went down; it may come up again.
                Err(Errno::ENETDOWN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let Some(from) = received.address else { continue };
            // Over loopback every packet passes twice.
            if from.hatype() == libc::ARPHRD_LOOPBACK && from.pkttype() == libc::PACKET_OUTGOING {
                continue;
            }
            let ethertype = u16::from_be(from.protocol());
            if !matches!(i32::from(ethertype), libc::ETH_P_IP | libc::ETH_P_IPV6) {
                continue;
            }
            let time = received.cmsgs().ok().and_then(|mut messages| messages.find_map(time));
            let time = time.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
            // With MSG_TRUNC, how long the packet is, however little of it was received.
            let length = received.bytes;
            if from.ifindex() != self.interface.0 {
                self.interface = (from.ifindex(), name_of(from.ifindex()));
            }
            return Ok(Some(Frame {
                interface: Some(&self.interface.1),
                time,
                link: Some(LinkType::Raw),
                cut_off: length > self.buffer.len(),
                bytes: &self.buffer[..length.min(self.buffer.len())],
            }));
        }
    }

    /// Packets the system had no room for since this began: they were captured too slowly.
    pub fn dropped(&mut self) -> u64 {
        let mut statistics = Statistics { packets: 0, dropped: 0 };
        let mut length = size_of::<Statistics>() as libc::socklen_t;
        // SAFETY: both pointers are to what getsockopt() may write, and `length` says how long the first is.
        let result = unsafe {
            libc::getsockopt(
                self.socket.get_ref().as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        if result == 0 {
            // The system counts from the last time it was asked.
            self.dropped += u64::from(statistics.dropped);
        }
        self.dropped
    }
}

fn bind(socket: &OwnedFd, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the pointer is to an address of the length given, which bind() only reads.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn time(message: ControlMessageOwned) -> Option<Duration> {
    match message {
        ControlMessageOwned::ScmTimestampns(time) => Some(time.into()),
        _ => None,
    }
}

fn name_of(index: usize) -> String {
    let name = u32::try_from(index).ok().and_then(|index| if_indextoname(index).ok());
    name.map_or_else(|| format!("interface {index}"), |name| name.to_string_lossy().into_owned())
}

fn known() -> String {
    let names = if_nameindex().map(|all| all.iter().map(|it| it.name().to_string_lossy().into_owned()).collect());
    names.unwrap_or_else(|_| Vec::new()).join(", ")
}

/// `struct tpacket_stats`.
#[repr(C)]
struct Statistics {
    packets: libc::c_uint,
    dropped: libc::c_uint,
}

const RECEIVE_BUFFER: usize = 16 << 20;
