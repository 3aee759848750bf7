// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waits to be sent, and what was sent and has no outcome yet.
//!
//! The kernel tells which messages failed, one by one, and when nothing is in flight any more ("dry"), but not when a single message was
//! acknowledged. So a message is delivered when the sender ran dry after it was sent; at the end of the association, when it did not fail. So that
//! a sender that never pauses hears of it too, only so much is in the kernel's hands until it has run dry.
//!
//! Of a message that was sent and whose lifetime then was over Linux says nothing, but counts it. When that number has grown, all whose lifetime is
//! over are taken for lost.

use std::collections::VecDeque;

use machine::Time;
use machine::association::{Event, Token};

use crate::Message;

/// One direction of an association.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<Message>,
    waiting_bytes: usize,
    /// In the order they were sent, with one number after the other.
    sent: VecDeque<Sent>,
    sent_bytes: usize,
    /// The number of the next message, also the context by which the kernel names it.
    next: u32,
    /// Messages before this number had been sent when the kernel last had nothing to tell: a "dry" that is read from then on covers them. Of those
    /// sent later it may have been written before they were.
    covered: u32,
    /// It ran dry, and there are messages of which this says nothing.
    is_unsure: bool,
    /// Messages the kernel had given up when it was last asked.
    abandoned: u64,
}

#[derive(Debug)]
struct Sent {
    token: Token,
    bytes: usize,
    /// When its lifetime is over.
    expires: Option<Time>,
    failed: bool,
}

impl Outgoing {
    pub(super) fn push(&mut self, message: Message) {
        self.waiting_bytes += message.data.len();
        self.waiting.push_back(message);
    }

    /// The message to hand to the kernel now, and its context; none if it has enough.
    pub(super) fn front(&self) -> Option<(&Message, u32)> {
        if self.is_full() { None } else { self.waiting.front().map(|message| (message, self.next)) }
    }

    /// Whether the kernel would have enough with the first message that waits, so that the peer should say soon what it has.
    pub(super) fn fills(&self) -> bool {
        let bytes = self.waiting.front().map_or(0, |message| message.data.len());
        self.sent.len() + 1 >= MOST_SENT || self.sent_bytes + bytes >= MOST_SENT_BYTES
    }

    /// Another message follows the first one at once.
    pub(super) fn more(&self) -> bool {
        self.waiting.len() > 1 && !self.fills()
    }

    /// The kernel has taken the first message.
    pub(super) fn front_sent(&mut self, now: impl FnOnce() -> Time) {
        let Some(message) = self.waiting.pop_front() else { return };
        let bytes = message.data.len();
        self.waiting_bytes -= bytes;
        self.sent_bytes += bytes;
        let expires = message.lifetime.map(|lifetime| now() + lifetime);
        self.sent.push_back(Sent { token: message.token, bytes, expires, failed: false });
        self.next = self.next.wrapping_add(1);
    }

    /// The kernel will never take the first message.
    pub(super) fn front_refused(&mut self) -> Option<Token> {
        let message = self.waiting.pop_front()?;
        self.waiting_bytes -= message.data.len();
        Some(message.token)
    }

    /// The kernel has nothing to tell: what it says from here on is about everything sent so far. True if it must be asked whether the sender is
    /// dry, because it may have said so already.
    pub(super) fn nothing_to_tell(&mut self) -> bool {
        self.covered = self.next;
        std::mem::take(&mut self.is_unsure) && !self.sent.is_empty()
    }

    /// Everything sent until the kernel last had nothing to tell has been acknowledged.
    pub(super) fn dry(&mut self, events: &mut VecDeque<Event>) {
        // Wraps around like the numbers: what was sent last has `next - 1`.
        let unsure = self.next.wrapping_sub(self.covered) as usize;
        let sure = self.sent.len().saturating_sub(unsure);
        for sent in self.sent.drain(..sure) {
            self.sent_bytes -= sent.bytes;
            events.push_back(sent.outcome());
        }
        self.is_unsure = !self.sent.is_empty();
    }

    /// Whether the kernel has to be asked how many messages it [gave up](Self::gave_up).
    pub(super) fn may_expire(&self) -> bool {
        self.sent.iter().any(|sent| sent.expires.is_some())
    }

    /// The kernel has given up so many messages so far.
    pub(super) fn gave_up(&mut self, abandoned: u64, now: Time) {
        if std::mem::replace(&mut self.abandoned, abandoned) != abandoned {
            for sent in &mut self.sent {
                sent.failed |= sent.expires.is_some_and(|expires| expires <= now);
            }
        }
    }

    /// (A piece of) the message with this context failed.
    pub(super) fn failed(&mut self, context: u32) {
        let age = self.next.wrapping_sub(context) as usize;
        if let Some(index) = self.sent.len().checked_sub(age)
            && let Some(sent) = self.sent.get_mut(index)
        {
            sent.failed = true;
        }
    }

    /// The association goes on without those that failed: their lifetime was over.
    pub(super) fn report_expired(&mut self, events: &mut VecDeque<Event>) {
        // Those behind one that is still on its way keep their place until the sender is dry.
        while self.sent.front().is_some_and(|sent| sent.failed)
            && let Some(sent) = self.sent.pop_front()
        {
            self.sent_bytes -= sent.bytes;
            events.push_back(sent.outcome());
        }
    }

    /// The peer began anew, and the kernel has told what failed of what it had then. What was sent since may have gone to its new life.
    pub(super) fn restarted(&mut self) {
        let unsure = self.next.wrapping_sub(self.covered) as usize;
        for sent in self.sent.iter_mut().rev().take(unsure) {
            sent.failed = true;
        }
    }

    /// The association is gone, and the kernel has told what failed. It can no longer be asked what it had given up.
    pub(super) fn end(&mut self, now: Time, events: &mut VecDeque<Event>) {
        self.gave_up(u64::MAX, now);
        events.extend(self.sent.drain(..).map(|sent| sent.outcome()));
        events.extend(self.waiting.drain(..).map(|message| Event::Undelivered(message.token)));
        (self.sent_bytes, self.waiting_bytes) = (0, 0);
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(super) fn outstanding(&self) -> usize {
        self.sent.len() + self.waiting.len()
    }

    fn is_full(&self) -> bool {
        self.sent.len() >= MOST_SENT || self.sent_bytes >= MOST_SENT_BYTES
    }
}

impl Sent {
    fn outcome(self) -> Event {
        if self.failed { Event::Undelivered(self.token) } else { Event::Delivered(self.token) }
    }
}

/// Messages handed to the kernel until it has run dry. A round trip is waited for after so many.
const MOST_SENT: usize = 1024;

/// Bytes likewise; well below what the layer above lets wait for its outcome (`max_control_bytes`).
const MOST_SENT_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn outgoing(waiting: u64) -> Outgoing {
        let mut outgoing = Outgoing { next: u32::MAX - 1, covered: u32::MAX - 1, ..Outgoing::default() };
        for token in 0..waiting {
            outgoing.push(message(token));
        }
        outgoing
    }

    fn message(token: u64) -> Message {
        let data = Bytes::from_static(b"abc");
        Message { stream: 0, ppid: 11, unordered: false, lifetime: None, token: Token(token), data }
    }

    fn send(outgoing: &mut Outgoing, count: usize) -> Vec<u32> {
        let send = |_| {
            let context = outgoing.front().map(|(_, context)| context).expect("one waits");
            outgoing.front_sent(|| Time::ZERO);
            context
        };
        (0..count).map(send).collect()
    }

    fn told(tell: impl FnOnce(&mut VecDeque<Event>)) -> Vec<(u64, bool)> {
        let mut events = VecDeque::new();
        tell(&mut events);
        let outcome = |event| match event {
            Event::Delivered(token) => (token.0, true),
            Event::Undelivered(token) => (token.0, false),
            other => panic!("{other:?}"),
        };
        events.into_iter().map(outcome).collect()
    }

    #[test]
    fn dry_says_nothing_of_a_message_sent_since_the_kernel_had_nothing_to_tell() {
        let mut out = outgoing(3);
        send(&mut out, 2);
        assert!(!out.nothing_to_tell());
        send(&mut out, 1);
        assert_eq!(told(|events| out.dry(events)), [(0, true), (1, true)]);
        assert_eq!(out.outstanding(), 1);
        assert!(out.nothing_to_tell(), "the kernel may have meant the third too, so it is asked");
        assert!(!out.nothing_to_tell(), "once");
        assert_eq!(told(|events| out.dry(events)), [(2, true)]);
        assert_eq!((out.outstanding(), out.waiting_bytes(), out.sent_bytes), (0, 0, 0));
    }

    #[test]
    fn at_the_end_what_did_not_fail_was_delivered_and_all_come_in_order() {
        let mut out = outgoing(5);
        let contexts = send(&mut out, 4);
        for context in [contexts[3], contexts[1], contexts[1], contexts[0].wrapping_sub(1), contexts[3].wrapping_add(1)]
        {
            out.failed(context);
        }
        assert_eq!(
            told(|events| out.end(Time::ZERO, events)),
            [(0, true), (1, false), (2, true), (3, false), (4, false)]
        );
        assert_eq!(told(|events| out.end(Time::ZERO, events)), []);
    }

    #[test]
    fn what_was_sent_since_the_kernel_had_nothing_to_tell_may_have_gone_to_the_next_life_of_the_peer() {
        let mut out = outgoing(4);
        send(&mut out, 2);
        out.nothing_to_tell();
        send(&mut out, 1);
        out.restarted();
        assert_eq!(told(|events| out.end(Time::ZERO, events)), [(0, true), (1, true), (2, false), (3, false)]);
    }

    #[test]
    fn an_expired_message_is_returned_while_the_others_go_on() {
        let mut out = outgoing(3);
        let contexts = send(&mut out, 3);
        out.failed(contexts[0]);
        assert_eq!(told(|events| out.report_expired(events)), [(0, false)]);
        out.failed(contexts[2]);
        assert_eq!(told(|events| out.report_expired(events)), []);
        out.nothing_to_tell();
        assert_eq!(told(|events| out.dry(events)), [(1, true), (2, false)]);
    }

    #[test]
    fn when_the_kernel_gave_up_a_message_those_whose_lifetime_is_over_are_lost() {
        let mut out = outgoing(0);
        for (token, lifetime) in [(0, None), (1, Some(10)), (2, Some(1_000)), (3, Some(10))] {
            let lifetime = lifetime.map(Duration::from_millis);
            out.push(Message { lifetime, ..message(token) });
        }
        send(&mut out, 4);
        out.nothing_to_tell();
        assert!(out.may_expire());
        out.gave_up(0, Time::ZERO + Duration::from_millis(20));
        out.gave_up(1, Time::ZERO + Duration::from_millis(20));
        assert_eq!(told(|events| out.dry(events)), [(0, true), (1, false), (2, true), (3, false)]);
        assert!(!out.may_expire());
    }

    #[test]
    fn the_kernel_gets_no_more_until_it_has_run_dry() {
        let mut out = outgoing(MOST_SENT as u64 + 1);
        send(&mut out, MOST_SENT - 2);
        assert!(out.more() && !out.fills());
        send(&mut out, 1);
        assert!(out.fills() && !out.more());
        send(&mut out, 1);
        assert!(out.front().is_none());
        out.nothing_to_tell();
        assert_eq!(told(|events| out.dry(events)).len(), MOST_SENT);
        assert!(out.front().is_some());
    }
}
