// SPDX-License-Identifier: MIT OR Apache-2.0
//! dcSCTP's socket: one association's protocol machine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dcsctp::api::{
    DcSctpSocket, LifecycleId, Message, Options, PpId, SendOptions, Socket, SocketEvent, SocketState, SocketTime,
    StreamId,
};
use machine::Time;

use super::Settings;
use crate::MAX_PAYLOAD;

/// A dcSCTP socket that may change threads.
pub(super) struct Sctp(Box<Socket>);

// SAFETY: `Socket` is `!Send` only because its parts share `Rc<RefCell<..>>`s: the time, and the queue of events, which the
// send queue, the retransmission queue and their callbacks hold too (dcsctp 0.1.16, socket/mod.rs `Socket::new`,
// tx/send_queue.rs, tx/retransmission_queue.rs, socket/transmission_control_block.rs). All of these belong to the one
// `Socket`. None gets out: `SocketEvent`, `Message`, `Metrics` and `Options`, which are all that its methods return, own
// plain data. None is put into a static or a thread-local; of `fastrand`'s thread-local generator nothing is kept. The
// `Socket` is private here, so whoever has the `Sctp` has every one of these `Rc`s, and moving it moves them together.
// The version is pinned (`=0.1.16`): a newer one is read again before it is taken.
unsafe impl Send for Sctp {}

/// A message on its way out.
pub(super) type Outgoing = Message;

/// How messages of one call are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) unordered: bool,
    /// Comes back with what became of it; 0 is not asked for.
    pub(super) id: u64,
    pub(super) lifetime: Option<Duration>,
}

/// dcSCTP failed where it must not; the association cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

impl Sctp {
    /// `random` seeds the generator of this socket's verification tag and first TSN.
    pub(super) fn new(local_port: u16, remote_port: u16, settings: &Settings, random: u64, now: Time) -> Self {
        // dcSCTP draws from this thread's generator, whose next number follows from those seen before. Each association
        // starts from bits of its own, so that nobody learns another's verification tag from theirs.
        //= https://www.rfc-editor.org/rfc/rfc9260#section-5.3.1
        //# Initiate Tag values SHOULD be selected from the range of 1 to 2^32
        //# - 1.  It is very important that the Initiate Tag value be randomized
        //# to help protect against off-path attacks.
        fastrand::seed(random);
        let mut sctp = Sctp(Box::new(Socket::new("", &options(local_port, remote_port, settings))));
        sctp.0.advance_time(socket_time(now));
        sctp
    }

    pub(super) fn connect(&mut self) {
        self.0.connect();
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Time) -> Result<(), Broken> {
        guarded(|| self.0.advance_time(socket_time(now)))
    }

    /// Takes a packet whose checksum has been looked at.
    pub(super) fn input(&mut self, packet: &[u8]) -> Result<(), Broken> {
        guarded(|| self.0.handle_input(packet))
    }

    /// Sends messages, which share packets. They are never refused for their number.
    pub(super) fn send(&mut self, messages: Vec<Outgoing>, manner: Manner) -> Result<(), Broken> {
        let Manner { unordered, id, lifetime } = manner;
        let options =
            SendOptions { unordered, lifetime, max_retransmissions: None, lifecycle_id: LifecycleId::new(id) };
        // What is refused because the association is ending is never reported as delivered, and so is undelivered.
        guarded(|| drop(self.0.send_many(messages, &options)))
    }

    pub(super) fn shutdown(&mut self) {
        self.0.shutdown();
    }

    /// Ends it with an ABORT.
    pub(super) fn abort(&mut self) {
        self.0.close();
    }

    pub(super) fn poll_event(&mut self) -> Option<SocketEvent> {
        self.0.poll_event()
    }

    pub(super) fn next_message(&mut self) -> Option<Message> {
        self.0.get_next_message()
    }

    pub(super) fn messages_waiting(&self) -> usize {
        self.0.messages_ready_count()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let time = self.0.poll_timeout();
        (time != SocketTime::infinite_future()).then(|| Time::ZERO + (time - SocketTime::zero()))
    }

    pub(super) fn tag(&self) -> u32 {
        self.0.verification_tag()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.state() == SocketState::Connected
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.0.state() == SocketState::ShuttingDown
    }

    /// Bytes on this stream that no packet has carried yet.
    pub(super) fn buffered(&self, stream: u16) -> usize {
        self.0.buffered_amount(StreamId(stream))
    }

    /// Streams on which the peer takes messages, once there is an association.
    pub(super) fn outgoing_streams(&self) -> Option<u16> {
        self.0.get_metrics().map(|metrics| metrics.negotiated_maximum_outgoing_streams)
    }

    /// The smoothed round-trip time and the congestion window.
    pub(super) fn path(&self) -> Option<(Duration, usize)> {
        self.0.get_metrics().map(|metrics| (metrics.srtt, metrics.cwnd_bytes))
    }
}

impl std::fmt::Debug for Sctp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sctp").field(&self.0.state()).finish()
    }
}

pub(super) fn outgoing(stream: u16, ppid: u32, payload: Vec<u8>) -> Outgoing {
    Message::new(StreamId(stream), PpId(ppid), payload)
}

/// A defect of dcSCTP that bytes from outside can reach costs the one association, not the process.
fn guarded(work: impl FnOnce()) -> Result<(), Broken> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Broken)
}

fn options(local_port: u16, remote_port: u16, settings: &Settings) -> Options {
    Options {
        local_port,
        remote_port,
        announced_maximum_incoming_streams: settings.max_streams,
        announced_maximum_outgoing_streams: settings.max_streams,
        mtu: settings.mtu,
        max_message_size: MAX_PAYLOAD,
        max_receiver_window_buffer_size: settings.receive_window as usize,
        // The engine bounds what is sent: here a message is never refused.
        max_send_buffer_size: u32::MAX as usize,
        per_stream_send_queue_limit: u32::MAX as usize,
        rto_initial: settings.rto_initial,
        rto_min: settings.rto_min,
        rto_max: settings.rto_max,
        t1_init_timeout: settings.init_timeout,
        t1_cookie_timeout: settings.init_timeout,
        t2_shutdown_timeout: settings.rto_initial,
        max_timer_backoff_duration: Some(settings.rto_max),
        // The engine asks silent peers, and declares them dead: until then everything is repeated.
        heartbeat_interval: Duration::ZERO,
        max_retransmissions: None,
        max_init_retransmits: None,
        delayed_ack_max_timeout: settings.delayed_ack,
        min_rtt_variance: settings.delayed_ack,
        max_burst: MAX_BURST,
        // The engine has verified it.
        disable_checksum_verification: true,
        ..Options::default()
    }
}

fn socket_time(now: Time) -> SocketTime {
    SocketTime::zero() + now.since(Time::ZERO)
}

/// Packets sent at once: the initial congestion window.
const MAX_BURST: i32 = 10;
