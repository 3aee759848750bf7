// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is behind a descriptor: sessions, a registration, and the queue of what has arrived and was not read.

mod by_hand;
mod close;
mod conversation;
mod element;
mod mailbox;
mod notice;
mod options;
mod outcome;
mod receive;
mod room;
mod send;
mod user;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use rserpool::{Mapping, PeSession, PoolElement};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

pub(crate) use self::by_hand::ByHand;
pub(crate) use self::conversation::Conversation;
use self::mailbox::Mailbox;
pub(crate) use self::notice::{Callback, Notice, NoticeKind, Subscriptions, Way};
pub(crate) use self::options::name as option;
pub(crate) use self::options::{Options, mapping};
use self::outcome::{Answers, Outcomes};
use self::receive::Rest;
pub(crate) use self::receive::{Next, Received};
use self::room::Room;
pub(crate) use self::send::{Context, To};
use crate::descriptor::{Descriptor, Key, is_non_blocking};
use crate::errno::{Failure, Result};
use crate::library::Library;

/// Whether a socket has one session or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// SOCK_STREAM
    One,
    /// SOCK_DGRAM, SOCK_SEQPACKET
    Many,
}

/// How long a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// As long as it takes, or until then.
    Until(Option<Instant>),
}

impl Patience {
    /// What the descriptor says, if the call itself says nothing.
    pub(crate) fn of(fd: RawFd, dont_wait: bool) -> Self {
        if dont_wait || is_non_blocking(fd) { Patience::None } else { Patience::Until(None) }
    }

    /// At most so many milliseconds; negative = as long as it takes.
    pub(crate) fn millis(ms: i32) -> Self {
        match u64::try_from(ms) {
            Err(_) => Patience::Until(None),
            Ok(0) => Patience::None,
            Ok(ms) => Patience::Until(Some(Instant::now() + Duration::from_millis(ms))),
        }
    }
}

/// What is behind a descriptor.
#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: Descriptor,
    pub(crate) style: Style,
    /// From the protocol the application named; nothing = as configured.
    protocol: Option<Mapping>,
    library: Weak<Library>,
    /// A session was accepted: the next may come, of this registration or one before.
    accepting: Notify,
    /// Something was taken out of the queue.
    fetched: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) subscriptions: Subscriptions,
    /// Where to listen, or what to advertise.
    bound: Vec<std::net::SocketAddr>,
    connect: Attempt,
    register: Attempt,
    /// How often the application has left its pool: an attempt to register that began before is over.
    left: u64,
    registering: Option<tokio::task::AbortHandle>,
    element: Option<Arc<PoolElement>>,
    /// By number; 0 is the one rsp_connect made.
    conversations: HashMap<u32, Arc<Conversation>>,
    /// For sends that name where they go.
    mailbox: Option<Mailbox>,
    last_number: u32,
    queue: VecDeque<Inbound>,
    rest: Option<Rest>,
    /// Sessions for rsp_accept: one, and those for which there was no descriptor.
    to_accept: VecDeque<PeSession>,
    answers: Answers,
    outcomes: Outcomes,
    /// How the session of a connected socket ended.
    ended: Option<Result<()>>,
    /// For sockets of `<rserpool.h>`.
    by_hand: Option<ByHand>,
    closed: bool,
    is_readable: bool,
    room: Room,
    is_full: bool,
    is_at_end: bool,
    wakers: Vec<Waker>,
    watch: Option<tokio::task::AbortHandle>,
}

/// Something that takes time and may go on when the call has returned.
#[derive(Debug, Default, Clone)]
pub(crate) enum Attempt {
    #[default]
    None,
    Running,
    Done,
    /// The next call says so.
    Failed(Failure),
}

/// What has arrived, in order.
#[derive(Debug)]
enum Inbound {
    Data(u32, rserpool::Message),
    Notice(Box<Notice>, Way),
}

impl Socket {
    /// A new socket in the table of the process, and its descriptor.
    pub(crate) fn open(
        library: &Arc<Library>,
        style: Style,
        protocol: Option<Mapping>,
        non_blocking: bool,
    ) -> Result<(RawFd, Arc<Socket>)> {
        let (fd, descriptor) = Descriptor::pair(non_blocking)?;
        let watched = descriptor.watch();
        let socket = Arc::new(Socket {
            descriptor,
            style,
            protocol,
            library: Arc::downgrade(library),
            accepting: Notify::new(),
            fetched: Notify::new(),
            state: Mutex::default(),
        });
        library.table.insert(Arc::clone(&socket));
        let watch = async {
            let watched = UnixStream::from_std(watched?.into())?;
            let task = tokio::spawn(watch_for_close(watched, socket.key(), Weak::clone(&socket.library)));
            socket.lock().watch = Some(task.abort_handle());
            Ok(())
        };
        let mut watch = std::pin::pin!(watch);
        let started: Result<()> = library.runtime.try_now(|cx| watch.as_mut().poll(cx)).expect("it never waits");
        match started {
            Ok(()) => Ok((fd, socket)),
            Err(failure) => {
                library.table.take(socket.key());
                crate::descriptor::close(fd);
                Err(failure)
            }
        }
    }

    pub(crate) fn key(&self) -> Key {
        self.descriptor.key
    }

    /// The library ends, and the descriptor stays open.
    pub(crate) fn leave_descriptor(&self) {
        self.descriptor.leave();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, shows it on the descriptor and wakes whoever waits for a change. Only a call of the application knows the number of
    /// its end, and only with that number can it be made unreadable.
    pub(crate) fn change<T>(&self, fd: Option<RawFd>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        state.show(&self.descriptor, fd);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Waits until `ready` answers something.
    ///
    /// # Errors
    /// EAGAIN, EINTR; EBADF if the socket is closed meanwhile.
    fn wait<T>(
        &self,
        library: &Library,
        fd: RawFd,
        patience: Patience,
        mut ready: impl FnMut(&mut State) -> Option<Result<T>>,
    ) -> Result<T> {
        let mut look = |waker: Option<&Waker>| {
            let mut state = self.lock();
            if state.closed {
                return Poll::Ready(Err(closed()));
            }
            match ready(&mut state) {
                Some(result) => {
                    state.show(&self.descriptor, Some(fd));
                    Poll::Ready(result)
                }
                None => {
                    // What it passed over does not make it readable any more.
                    state.show(&self.descriptor, Some(fd));
                    let many = waker.map(|waker| state.wake_at_change(waker)).unwrap_or_default();
                    drop(state);
                    many.into_iter().for_each(Waker::wake);
                    Poll::Pending
                }
            }
        };
        match look(None) {
            Poll::Ready(result) => result,
            Poll::Pending => match patience {
                Patience::None => Err(Failure::new(libc::EAGAIN, "it would have to wait")),
                Patience::Until(deadline) => library.runtime.wait(deadline, |cx| look(Some(cx.waker())))?,
            },
        }
    }

    /// For calls that wait for something else than a change of the socket: closing it ends them.
    ///
    /// # Errors
    /// EBADF if it is closed.
    fn wake_at_close(&self, waker: &Waker) -> Result<()> {
        let mut state = self.lock();
        if state.closed {
            return Err(closed());
        }
        let many = state.wake_at_change(waker);
        drop(state);
        many.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn push(&self, inbound: Inbound) {
        self.change(None, |state| {
            if !state.closed {
                state.queue.push_back(inbound);
            }
        });
    }

    /// Brings a notification, if the application wants it.
    fn tell(&self, notice: Notice) {
        self.change(None, |state| {
            if !state.wants(&notice) {
                return;
            }
            if let (false, Some(way)) = (state.closed, state.subscriptions.way(notice.kind)) {
                state.queue.push_back(Inbound::Notice(Box::new(notice), way));
            }
        });
    }
}

impl Attempt {
    fn is_running(&self) -> bool {
        matches!(self, Attempt::Running)
    }

    /// Says how it went, once.
    fn result(&mut self) -> Option<Result<()>> {
        match self {
            Attempt::None | Attempt::Running => None,
            Attempt::Done => Some(Ok(())),
            Attempt::Failed(_) => match std::mem::take(self) {
                Attempt::Failed(failure) => Some(Err(failure)),
                _ => None,
            },
        }
    }
}

impl State {
    /// Remembers whom to wake at the next change. A call that ended without one is still among them: when they are many, all are to be woken now, and
    /// those that still wait come again.
    fn wake_at_change(&mut self, waker: &Waker) -> Vec<Waker> {
        if self.wakers.iter().any(|known| known.will_wake(waker)) {
            return Vec::new();
        }
        let many = if self.wakers.len() >= MANY_WAKERS { std::mem::take(&mut self.wakers) } else { Vec::new() };
        self.wakers.push(waker.clone());
        many
    }

    /// Makes the descriptor show what there is.
    fn show(&mut self, descriptor: &Descriptor, fd: Option<RawFd>) {
        // Once it is closed, the number may be a stranger's.
        let fd = fd.filter(|_| !self.closed);
        let shows_failure = self.by_hand.as_ref().is_some_and(ByHand::shows_failure);
        let is_readable = !self.queue.is_empty() || self.rest.is_some() || !self.to_accept.is_empty() || shows_failure;
        match (is_readable, self.is_readable, fd) {
            (true, false, _) => {
                self.is_readable = true;
                descriptor.set_readable();
            }
            (false, true, Some(fd)) => self.is_readable = !descriptor.clear_readable(fd),
            _ => {}
        }
        if self.ended.is_some() && !self.is_at_end {
            self.is_at_end = true;
            descriptor.end();
        }
        let is_full =
            self.room.is_missing(self.conversations.len()) || self.connect.is_running() || self.register.is_running();
        match (is_full, self.is_full, fd) {
            (true, false, Some(fd)) => self.is_full = descriptor.set_full(fd),
            (false, true, _) => {
                self.is_full = false;
                descriptor.clear_full();
            }
            _ => {}
        }
    }
}

/// Everything is cleaned up when the application's end is closed, by whatever means.
async fn watch_for_close(watched: UnixStream, key: Key, library: Weak<Library>) {
    loop {
        let Ok(ready) = watched.ready(Interest::READABLE).await else { return };
        if ready.is_read_closed() {
            break;
        }
        // Only bytes that make the other end unwritable: wait for the next change.
        let _ = watched.try_io(Interest::READABLE, || Err::<(), _>(std::io::ErrorKind::WouldBlock.into()));
    }
    let Some(library) = library.upgrade() else { return };
    let going = library.closing.begin();
    let Some(socket) = library.table.take(key) else { return };
    drop(library);
    let closing = socket.close();
    tokio::spawn(async move {
        closing.await;
        drop(going);
    });
}

fn closed() -> Failure {
    Failure::new(libc::EBADF, "the socket is closed")
}

/// More than threads wait on a socket.
const MANY_WAKERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::Parked;

    #[test]
    fn calls_that_end_without_a_change_do_not_pile_up() {
        let mut state = State::default();
        let mut woken = 0;
        for _ in 0..10 * MANY_WAKERS {
            let waker = Waker::from(Arc::new(Parked::default()));
            woken += state.wake_at_change(&waker).len();
            woken += state.wake_at_change(&waker).len();
            assert!(state.wakers.len() <= MANY_WAKERS);
        }
        assert_eq!(woken + state.wakers.len(), 10 * MANY_WAKERS);
    }
}
