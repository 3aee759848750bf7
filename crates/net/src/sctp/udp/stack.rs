// SPDX-License-Identifier: MIT OR Apache-2.0
//! The engine with its sockets and its clock: one for all associations of a [`Transports`](crate::Transports).

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use machine::Time;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Settings;
use super::engine::{Arrival, Engine, PortId, Transmit};
use super::port::{Batch, UdpPort};
use crate::Clock;

#[derive(Debug)]
pub(super) struct Stack {
    /// Where SCTP is expected; 0 is nowhere.
    pub(super) encapsulation_port: u16,
    pub(super) clock: Clock,
    engine: Mutex<Timed>,
    ports: Mutex<Ports>,
    /// The alarm must ring earlier than it was set to.
    earlier: Arc<Notify>,
}

#[derive(Debug)]
struct Timed {
    engine: Engine,
    /// When the task that keeps time wakes.
    alarm: Option<Time>,
}

#[derive(Debug, Default)]
struct Ports {
    by_id: HashMap<PortId, Weak<UdpPort>>,
    by_address: HashMap<SocketAddr, Weak<UdpPort>>,
    /// Those that associations are opened from: IPv4, IPv6.
    outgoing: [Weak<UdpPort>; 2],
    /// SCTP ports that are reserved or listened on.
    claims: HashSet<(IpAddr, u16)>,
    next: u32,
    timekeeper: Option<JoinHandle<()>>,
}

/// An SCTP port at an address, ours until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    stack: Arc<Stack>,
    at: (IpAddr, u16),
}

/// The engine while it is locked. When it is let go, what it wants sent is sent, and whom it wants woken is woken.
pub(super) struct Locked<'a> {
    timed: Option<MutexGuard<'a, Timed>>,
    stack: &'a Stack,
    /// The port that is probably sent from.
    near: Option<&'a Arc<UdpPort>>,
}

impl Stack {
    pub(super) fn new(settings: Settings, encapsulation_port: u16) -> Arc<Self> {
        let clock = Clock::new();
        let engine = Engine::new(settings, seed(), clock.now());
        Arc::new(Stack {
            encapsulation_port,
            clock,
            engine: Mutex::new(Timed { engine, alarm: None }),
            ports: Mutex::default(),
            earlier: Arc::default(),
        })
    }

    pub(super) fn lock<'a>(&'a self, near: Option<&'a Arc<UdpPort>>) -> Locked<'a> {
        // dcSCTP's panics are caught inside; one of ours leaves associations that end by their peers' silence.
        let timed = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { timed: Some(timed), stack: self, near }
    }

    /// The UDP port at this address, ours already or taken now.
    pub(super) fn udp_port(self: &Arc<Self>, address: SocketAddr) -> io::Result<Arc<UdpPort>> {
        let mut ports = self.ports();
        if address.port() != 0
            && let Some(port) = ports.by_address.get(&address).and_then(Weak::upgrade)
        {
            return Ok(port);
        }
        let port = self.open(&mut ports, address, address.ip().is_unspecified())?;
        ports.by_address.retain(|_, port| port.strong_count() > 0);
        let mut bound = address;
        bound.set_port(port.local.port());
        ports.by_address.insert(bound, Arc::downgrade(&port));
        Ok(port)
    }

    /// The UDP port from which associations to such addresses are opened.
    pub(super) fn outgoing_port(self: &Arc<Self>, to: SocketAddr) -> io::Result<Arc<UdpPort>> {
        let mut ports = self.ports();
        let family = usize::from(to.is_ipv6());
        if let Some(port) = ports.outgoing[family].upgrade() {
            return Ok(port);
        }
        let any = if to.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
        let port = self.open(&mut ports, SocketAddr::new(any, 0), false)?;
        ports.outgoing[family] = Arc::downgrade(&port);
        Ok(port)
    }

    /// Makes an SCTP port at an address ours, unless somebody in this process has it.
    pub(super) fn claim(self: &Arc<Self>, ip: IpAddr, port: u16) -> Option<Claim> {
        let at = (ip, port);
        self.ports().claims.insert(at).then(|| Claim { stack: Arc::clone(self), at })
    }

    fn open(self: &Arc<Self>, ports: &mut Ports, address: SocketAddr, dual: bool) -> io::Result<Arc<UdpPort>> {
        let id = PortId(ports.next);
        let port = Arc::new(UdpPort::bind(address, dual, id)?);
        ports.next += 1;
        ports.by_id.retain(|_, port| port.strong_count() > 0);
        ports.by_id.insert(id, Arc::downgrade(&port));
        let reader = tokio::spawn(read(Arc::downgrade(self), Arc::downgrade(&port)));
        // It was just made, and has none.
        let _ = port.reader.set(reader.abort_handle());
        if ports.timekeeper.as_ref().is_none_or(JoinHandle::is_finished) {
            ports.timekeeper = Some(tokio::spawn(keep_time(Arc::downgrade(self), Arc::clone(&self.earlier))));
        }
        Ok(port)
    }

    /// When the task that keeps time is to wake.
    fn set_alarm(&self) -> Option<Time> {
        let mut timed = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        timed.alarm = timed.engine.deadline();
        timed.alarm
    }

    /// Reads one batch of what has come to a port; `false` if nothing is left there.
    fn read(&self, port: &Arc<UdpPort>, batch: &mut Batch) -> bool {
        let more = port.receive(batch);
        if !batch.is_empty() {
            let now = self.clock.now();
            let mut engine = self.lock(Some(port));
            for (bytes, from, to) in batch.datagrams() {
                engine.receive(&Arrival { port: port.id, from, to }, bytes, now);
            }
        }
        more
    }

    /// Reads what ICMP says.
    fn read_reports(&self, port: &Arc<UdpPort>) {
        port.unreachable(|to, quoted| self.lock(Some(port)).unreachable(port.id, to, quoted, self.clock.now()));
    }

    /// Does what is due, after all that has come was read: a peer's answer may be waiting there.
    fn time_passed(&self, batch: &mut Batch) {
        let ports: Vec<_> = self.ports().by_id.values().filter_map(Weak::upgrade).collect();
        for port in &ports {
            self.read_reports(port);
            for _ in 0..MOST_BATCHES_BEFORE_TIME {
                if !self.read(port, batch) {
                    break;
                }
            }
        }
        self.lock(None).handle_timeout(self.clock.now());
    }

    /// Sends what the engine wants sent.
    fn send(&self, transmits: &[Transmit], near: Option<&Arc<UdpPort>>) {
        let is_near = |transmit: &Transmit| near.is_some_and(|port| port.id == transmit.port);
        if let Some(port) = near {
            port.send(transmits);
        }
        let mut others: Vec<PortId> =
            transmits.iter().filter(|transmit| !is_near(transmit)).map(|transmit| transmit.port).collect();
        others.sort_unstable();
        others.dedup();
        for id in others {
            let port = self.ports().by_id.get(&id).and_then(Weak::upgrade);
            if let Some(port) = port {
                port.send(transmits);
            }
        }
    }

    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.earlier.notify_one();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.stack.ports().claims.remove(&self.at);
    }
}

impl std::ops::Deref for Locked<'_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.timed.as_ref().expect("it is taken when this is dropped").engine
    }
}

impl std::ops::DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Engine {
        &mut self.timed.as_mut().expect("it is taken when this is dropped").engine
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut timed) = self.timed.take() else { return };
        let (transmits, wakers) = (timed.engine.take_transmits(), timed.engine.take_wakers());
        let next = timed.engine.deadline();
        let is_earlier = next.is_some_and(|next| timed.alarm.is_none_or(|alarm| next < alarm));
        if is_earlier {
            timed.alarm = next;
        }
        drop(timed);
        if is_earlier {
            self.stack.earlier.notify_one();
        }
        if !transmits.is_empty() {
            self.stack.send(&transmits, self.near);
        }
        wakers.into_iter().for_each(std::task::Waker::wake);
    }
}

/// Reads a port for as long as somebody uses it.
async fn read(stack: Weak<Stack>, port: Weak<UdpPort>) {
    let mut batch = Batch::new();
    std::future::poll_fn(|cx| {
        let (Some(stack), Some(port)) = (stack.upgrade(), port.upgrade()) else { return std::task::Poll::Ready(()) };
        for _ in 0..MOST_BATCHES {
            let polled = port.poll_read(cx, || {
                stack.read_reports(&port);
                !stack.read(&port, &mut batch)
            });
            if polled.is_pending() {
                return std::task::Poll::Pending;
            }
        }
        // There may be more, and the others have their turn first.
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// Looks at the clock when it is time to.
async fn keep_time(stack: Weak<Stack>, earlier: Arc<Notify>) {
    // For all that is due: a new one would be a mebibyte to clear each time.
    let mut batch = Batch::new();
    loop {
        let Some(held) = stack.upgrade() else { return };
        let alarm = held.set_alarm();
        if alarm.is_some_and(|alarm| alarm <= held.clock.now()) {
            held.time_passed(&mut batch);
            // Deadlines that follow each other closely must not keep all others waiting.
            drop(held);
            tokio::task::yield_now().await;
            continue;
        }
        let clock = held.clock;
        drop(held);
        match alarm {
            Some(alarm) => tokio::select! {
                () = tokio::time::sleep_until(clock.instant(alarm)) => {}
                () = earlier.notified() => {}
            },
            None => earlier.notified().await,
        }
    }
}

/// Bits that nobody knows, from the system's generator.
fn seed() -> [u8; 32] {
    let mut seed = [0u8; 32];
    let got =
        // SAFETY: the buffer has as many bytes as are asked for.
        unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
    // Up to 256 bytes come whole once the generator is up, which the call waits for.
    assert_eq!(got, seed.len() as isize, "the system has no random numbers");
    seed
}

/// Batches of datagrams read before other tasks have their turn.
const MOST_BATCHES: usize = 4;

/// Batches read before the clock is looked at: more than a socket's buffer holds of usual packets.
const MOST_BATCHES_BEFORE_TIME: usize = 256;
