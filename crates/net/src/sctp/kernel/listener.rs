// SPDX-License-Identifier: MIT OR Apache-2.0
//! A port of kernel SCTP: one one-to-many socket, bound to all its addresses. Each association that comes up is peeled off at once, so that it has
//! buffers, flow control and a descriptor of its own.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

use super::association::{Item, KernelAssociation};
use super::notification::Notification;
use super::socket::{self, Socket};
use crate::tcp::UNSPECIFIED;
use crate::transport::{Accept, AddressError, Port, Transport};
use crate::{BindError, KernelSettings, Options, memory};

/// A port that is ours and refuses associations: bound, and not listening.
#[derive(Debug)]
pub(super) struct KernelPort {
    socket: Socket,
    addresses: Vec<SocketAddr>,
    options: Options,
    settings: KernelSettings,
}

/// A port on which associations come up.
#[derive(Debug)]
struct KernelListener {
    socket: AsyncFd<Socket>,
    options: Options,
    settings: KernelSettings,
    /// Associations that restarted peers made of those accepted here.
    restarts: Arc<Restarts>,
    accepting: Mutex<Accepting>,
}

#[derive(Debug, Default)]
struct Accepting {
    /// Up, but there was no descriptor to be had.
    pending: Option<(i32, u16)>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Over before they could be peeled off: what was received on each is among the next items, and the last one tells that it is over.
    past: Vec<(i32, VecDeque<Item>)>,
    skipping: bool,
}

/// Associations on their way from the one that ended to the listener.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    inner: Mutex<Arriving>,
}

#[derive(Debug, Default)]
struct Arriving {
    associations: VecDeque<(Socket, i32, u16)>,
    listener: Option<Waker>,
}

impl Restarts {
    pub(super) fn push(&self, socket: Socket, association: i32, outbound_streams: u16) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.associations.push_back((socket, association, outbound_streams));
        if let Some(waker) = inner.listener.take() {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<(Socket, i32, u16)> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.associations.pop_front() {
            Some(next) => Poll::Ready(next),
            None => {
                inner.listener = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl KernelPort {
    pub(super) fn bind(
        addresses: &[SocketAddr],
        options: Options,
        settings: KernelSettings,
    ) -> Result<Self, BindError> {
        let first = addresses.first().copied().unwrap_or(UNSPECIFIED);
        let take = |reuse| {
            socket::or_ipv4(addresses, |these| {
                let socket = super::open(these, settings)?;
                socket.bind(these, reuse)?;
                Ok((socket, these.to_vec()))
            })
        };
        let bind = || {
            // A registrar that is started again must not wait until the associations of its former life have ended.
            let (socket, mut addresses) = match take(false) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => take(true)?,
                taken => taken?,
            };
            let port = socket.port()?;
            addresses.iter_mut().for_each(|address| address.set_port(port));
            Ok(KernelPort { socket, addresses, options, settings })
        };
        bind().map_err(|error| BindError::of(first, error))
    }
}

impl Port for KernelPort {
    fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    fn listen(self: Box<Self>) -> Result<Box<dyn Accept>, BindError> {
        let KernelPort { socket, addresses, options, settings } = *self;
        let listen = || {
            // Who connected gives up when the kernel does; here the heartbeat of the association alone decides, which is as patient as the layer
            // above wants.
            socket.set_association_max_retrans(u16::MAX)?;
            socket.listen(BACKLOG)?;
            socket.register()
        };
        let socket = listen().map_err(|error| BindError::of(addresses[0], error))?;
        let (restarts, accepting) = Default::default();
        Ok(Box::new(KernelListener { socket, options, settings, restarts, accepting }))
    }
}

impl Accept for KernelListener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Box<dyn Transport>> {
        if let Poll::Ready((socket, id, streams)) = self.restarts.poll(cx)
            && let Some(association) = self.wrap(socket, id, streams)
        {
            return Poll::Ready(Box::new(association));
        }
        let mut accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner);
        let association = ready!(self.poll(&mut accepting, cx));
        Poll::Ready(Box::new(association))
    }

    fn add_local_address(&self, address: IpAddr) -> Result<(), AddressError> {
        let socket = self.socket.get_ref();
        Ok(socket.add_addresses(&[SocketAddr::new(address, socket.port()?)])?)
    }

    fn remove_local_address(&self, address: IpAddr) -> Result<(), AddressError> {
        let socket = self.socket.get_ref();
        Ok(socket.remove_addresses(&[SocketAddr::new(address, socket.port()?)])?)
    }
}

impl KernelListener {
    fn poll(&self, accepting: &mut Accepting, cx: &mut Context<'_>) -> Poll<KernelAssociation> {
        loop {
            if let Some(pause) = &mut accepting.pause {
                ready!(pause.as_mut().poll(cx));
                accepting.pause = None;
            }
            if let Some((id, streams)) = accepting.pending.take()
                && let Some(association) = self.peel_off(accepting, id, streams)
            {
                return Poll::Ready(association);
            }
            if accepting.pause.is_some() {
                continue;
            }
            if let Err(error) = ready!(self.socket.poll_read_ready(cx)) {
                return self.wait(accepting, &error, cx);
            }
            match self.next_item(accepting) {
                Ok(Some(association)) => return Poll::Ready(association),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.wait(accepting, &error, cx),
            }
        }
    }

    /// Nothing that happens to one association is a reason to stop.
    fn wait(&self, accepting: &mut Accepting, error: &io::Error, cx: &mut Context<'_>) -> Poll<KernelAssociation> {
        tracing::warn!(%error, "cannot accept an association");
        let pause = accepting.pause.insert(Box::pin(tokio::time::sleep(PAUSE)));
        // Registers the waker; a pause is never over at once.
        let _ = pause.as_mut().poll(cx);
        Poll::Pending
    }

    /// Reads the next item, which is mostly that an association is up.
    fn next_item(&self, accepting: &mut Accepting) -> io::Result<Option<KernelAssociation>> {
        let mut buffer = memory::input(&[]);
        let received = self.socket.try_io(tokio::io::Interest::READABLE, |socket| socket.receive(&mut buffer));
        let item = received.map(|received| {
            let was_skipping = accepting.skipping;
            accepting.skipping = received.notification && received.more;
            let data = buffer.split_to(received.length);
            match received.notification {
                true if was_skipping => None,
                true => Some((association_of(&data), Item::News(Notification::parse(&data)))),
                false => {
                    let data = BytesMut::from(&data[..]);
                    let item = Item::Data { info: received.info, data, more: received.more };
                    Some((received.info.association, item))
                }
            }
        });
        memory::give_back_input(buffer);
        Ok(match item? {
            Some((_, Item::News(Notification::Up { association, outbound_streams }))) => {
                self.peel_off(accepting, association, outbound_streams)
            }
            Some((association, item)) => self.past_item(accepting, association, item),
            None => None,
        })
    }

    fn peel_off(&self, accepting: &mut Accepting, id: i32, streams: u16) -> Option<KernelAssociation> {
        match self.socket.get_ref().peel_off(id) {
            Ok(socket) => self.wrap(socket, id, streams),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => {
                // It keeps its place until there is a descriptor.
                tracing::warn!(%error, "cannot accept an association");
                accepting.pending = Some((id, streams));
                accepting.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                None
            }
            Err(error) => {
                tracing::debug!(%error, "an association was over before it was accepted");
                if accepting.past.len() < MOST_PAST {
                    accepting.past.push((id, VecDeque::new()));
                }
                None
            }
        }
    }

    fn wrap(&self, socket: Socket, id: i32, streams: u16) -> Option<KernelAssociation> {
        let accepted = KernelAssociation::accept(socket, id, streams, self.options, self.settings, &self.restarts);
        accepted.inspect_err(|error| tracing::warn!(%error, "cannot accept an association")).ok()
    }

    /// Something for an association that has no socket of its own.
    fn past_item(&self, accepting: &mut Accepting, id: i32, item: Item) -> Option<KernelAssociation> {
        let index = accepting.past.iter().position(|(past, _)| *past == id)?;
        let is_last = matches!(item, Item::News(Notification::Lost { .. } | Notification::Ended { .. }));
        let items = &mut accepting.past[index].1;
        if is_last || items.len() < MOST_PAST {
            items.push_back(item);
        }
        if !is_last {
            return None;
        }
        let (_, items) = accepting.past.swap_remove(index);
        // One that brought nothing is nobody's loss.
        let brought = items.iter().any(|item| matches!(item, Item::Data { .. }));
        brought.then(|| KernelAssociation::past(items, UNSPECIFIED, self.options, self.settings))
    }
}

/// The association a notification is about stands at its end in all we ask for but SCTP_ASSOC_CHANGE and those that carry more.
fn association_of(notification: &[u8]) -> i32 {
    match Notification::parse(notification) {
        Notification::Up { association, .. }
        | Notification::Lost { association, .. }
        | Notification::Restarted { association, .. }
        | Notification::Ended { association } => association,
        _ => 0,
    }
}

/// After a restart all PEs and PUs come at once; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// Between two tries while the system refuses to accept.
const PAUSE: Duration = Duration::from_millis(20);

/// Associations, and items of one, that are kept although it is over. Once it could not be peeled off, all of it is in the queue.
const MOST_PAST: usize = 1024;
