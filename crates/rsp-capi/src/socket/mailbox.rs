// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to pools, servers and addresses that a send names, and what comes back from them.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rserpool::{Destination, Failover, Item, Outgoing, PeHandle, PeId, PoolHandle, PoolUser, Sent, Source};
use tokio::task::AbortHandle;

use super::outcome::Addressee;
use super::{Context, Inbound, Notice, Patience, Socket, Style};
use crate::errno::{Failure, Result};
use crate::library::Library;
use crate::under_way::UnderWay;

/// The part of the process's pool user that is this socket's own.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) user: PoolUser,
    pub(super) reader: AbortHandle,
    /// Who has written, by the number the application knows them by.
    correspondents: Vec<Correspondent>,
    /// Sends that go on in the background.
    pub(super) under_way: UnderWay,
}

impl Mailbox {
    /// Ends its sessions in order, also those that are still being opened for a message, at most `linger`.
    pub(super) async fn close(self, linger: Option<Duration>) {
        self.reader.abort();
        let closing = async {
            self.under_way.over().await;
            self.user.close().await;
        };
        match linger {
            Some(linger) => drop(tokio::time::timeout(linger, closing).await),
            None => closing.await,
        }
    }
}

/// Somebody who has written, or was written to.
#[derive(Debug)]
struct Correspondent {
    number: u32,
    source: Source,
    /// How often the session with this number has moved.
    failovers: u32,
}

impl Socket {
    /// Sends to a pool, a server or an address; answers the server that was chosen. A call that may not wait leaves it to the background, where a
    /// session is opened if need be; what fails there comes back as returned.
    pub(crate) fn send_named(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        to: Destination,
        outgoing: Outgoing,
        patience: Patience,
        context: Context,
    ) -> Result<Option<PeHandle>> {
        if self.style == Style::One {
            return Err(Failure::new(
                libc::EISCONN,
                "a SOCK_STREAM socket has one session: rsp_connect names its pool",
            ));
        }
        let user = self.mailbox(library)?;
        let Patience::Until(deadline) = patience else {
            self.send_in_background(library, fd, user, to, outgoing, context)?;
            return Ok(None);
        };
        let named = Addressee::named(&to);
        let mut sending = std::pin::pin!(user.send(to, outgoing));
        let sent = library.runtime.wait(deadline, |cx| match self.wake_at_close(cx.waker()) {
            Err(failure) => Poll::Ready(Err(failure)),
            Ok(()) => sending.as_mut().poll(cx).map(Ok),
        })???;
        let pe = sent.pe().cloned();
        let addressee = self.reached(named, &sent);
        self.track(library, addressee, sent, context);
        library.runtime.nudge();
        Ok(pe)
    }

    fn send_in_background(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        user: PoolUser,
        to: Destination,
        outgoing: Outgoing,
        context: Context,
    ) -> Result<()> {
        let going = self.change(Some(fd), |state| {
            let mailbox = state.mailbox.as_ref().ok_or_else(super::closed)?;
            let too_many = "too many messages wait for sessions that are being opened";
            let going = mailbox.under_way.begin().ok_or_else(|| Failure::new(libc::EAGAIN, too_many))?;
            if context.number != 0 {
                state.outcomes.begin(context.number);
            }
            Ok::<_, Failure>(going)
        })?;
        let socket = Arc::clone(self);
        library.runtime.spawn(async move {
            let named = Addressee::named(&to);
            let sent = user.send(to, outgoing.clone()).await;
            // Its session is open, and closing the mailbox waits for the outcome.
            drop(going);
            let (addressee, outcome) = match sent {
                Ok(sent) => (socket.reached(named, &sent), sent.await),
                Err(error) => {
                    tracing::debug!(%error, "a message could not be sent");
                    (named, Ok(rserpool::Outcome::Returned(outgoing, rserpool::ReturnReason::SessionEnded)))
                }
            };
            socket.came_out(&addressee, context.number, outcome);
        });
        Ok(())
    }

    fn mailbox(self: &Arc<Self>, library: &Library) -> Result<PoolUser> {
        let mut state = self.lock();
        if state.closed {
            return Err(super::closed());
        }
        if let Some(mailbox) = &state.mailbox {
            return Ok(mailbox.user.clone());
        }
        let user = library.user.separate();
        let reader = library.runtime.enter(|| tokio::spawn(read(Arc::clone(self), user.clone()))).abort_handle();
        state.mailbox = Some(Mailbox {
            user: user.clone(),
            reader,
            correspondents: Vec::new(),
            under_way: UnderWay::most(MAX_UNDER_WAY),
        });
        Ok(user)
    }

    /// Whom a message has gone to in the end.
    fn reached(&self, named: Addressee, sent: &Sent) -> Addressee {
        let pe = sent.pe().cloned().or(named.pe);
        let source = pe.clone().map(Source::Pe).or(named.address.map(Source::Address));
        let session = source.and_then(|source| self.correspondent(&source)).unwrap_or(0);
        Addressee { session, pe, ..named }
    }

    /// The server with this identifier, and the number of the session with it.
    pub(super) fn known(&self, pool: &PoolHandle, id: PeId) -> Option<(u32, PeHandle)> {
        let state = self.lock();
        let mut correspondents = state.mailbox.as_ref()?.correspondents.iter();
        correspondents.find_map(|known| match &known.source {
            Source::Pe(pe) if pe.id == id && pe.pool == *pool => Some((known.number, pe.clone())),
            _ => None,
        })
    }

    /// A session has moved: its number goes with it. Answers the number, and how often it has moved.
    fn correspondent_moved(&self, failover: &Failover) -> Option<(u32, u32)> {
        let number = match self.known(&failover.to.pool, failover.from) {
            Some((number, _)) => number,
            None => self.correspondent(&Source::Pe(failover.to.clone()))?,
        };
        let mut state = self.lock();
        let correspondents = state.mailbox.iter_mut().flat_map(|mailbox| &mut mailbox.correspondents);
        let mut count = 1;
        for known in correspondents.filter(|known| known.number == number) {
            known.source = Source::Pe(failover.to.clone());
            known.failovers += 1;
            count = known.failovers;
        }
        Some((number, count))
    }

    /// The number of somebody, if one is free.
    fn correspondent(&self, source: &Source) -> Option<u32> {
        if let Some(mailbox) = &self.lock().mailbox
            && let Some(known) = mailbox.correspondents.iter().find(|known| known.source == *source)
        {
            return Some(known.number);
        }
        let number = self.next_number()?;
        if let Some(mailbox) = &mut self.lock().mailbox {
            if mailbox.correspondents.len() >= MAX_CORRESPONDENTS {
                mailbox.correspondents.remove(0);
            }
            mailbox.correspondents.push(Correspondent { number, source: source.clone(), failovers: 0 });
        }
        Some(number)
    }
}

impl super::State {
    /// Who has this number.
    pub(super) fn source(&self, number: u32) -> Option<&Source> {
        let mailbox = self.mailbox.as_ref()?;
        mailbox.correspondents.iter().find(|known| known.number == number).map(|known| &known.source)
    }

    /// Where a message to this number goes.
    pub(super) fn destination(&self, number: u32) -> Option<Destination> {
        Some(match self.source(number)? {
            Source::Pe(pe) => Destination::Pe(pe.clone()),
            Source::Address(address) => Destination::Address(*address),
        })
    }
}

/// Brings what comes back.
async fn read(socket: Arc<Socket>, user: PoolUser) {
    loop {
        // What is not fetched stays where it was sent.
        while socket.lock().queue.len() >= MAX_WAITING {
            socket.fetched.notified().await;
        }
        let (source, item) = user.recv_item().await;
        if let Item::Failover(failover) = item {
            if let Some((number, count)) = socket.correspondent_moved(&failover) {
                socket.tell(Notice::failover(number, count, failover));
            }
            continue;
        }
        let Some(number) = socket.correspondent(&source) else { continue };
        let pe = match source {
            Source::Pe(pe) => Some(pe),
            Source::Address(_) => None,
        };
        match item {
            Item::Data(message) => socket.push(Inbound::Data(number, message)),
            Item::Notice(notice) => socket.tell_of(number, pe, notice),
            _ => {}
        }
    }
}

/// Sends to named destinations that may wait for their sessions in the background.
const MAX_UNDER_WAY: u32 = 64;
/// Servers and addresses that are known by a number at a time.
const MAX_CORRESPONDENTS: usize = 65_536;
/// Items a socket holds before nothing more is fetched for it.
const MAX_WAITING: usize = 1024;
