// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that go out on an association of a session, in envelopes, fragments and within the window, and what becomes of each.

use std::time::Duration;

use bytes::Bytes;
use machine::Time;
use rsp_wire::session::{ENVELOPE_PPID, Envelope, Features};

use super::{Greeting, Link, WINDOW_BEFORE_HELLO, credit};
use crate::association::{Request, Token};
use crate::session::outbox::Pending;
use crate::session::{fragments, take};

impl Link {
    /// Sends `pending` with this id if the peer's state and window allow it, and answers whether it did.
    pub(in crate::session) fn transmit(
        &mut self,
        id: u64,
        pending: &mut Pending,
        first_association: bool,
        now: Time,
    ) -> bool {
        if !self.data.is_ready() {
            return false;
        }
        let outgoing = &pending.outgoing;
        let carried = self.carried();
        let in_fragments = outgoing.data.len() > carried;
        let credit = match in_fragments {
            true => fragments::split(&outgoing.data, carried).map(|(piece, _)| credit(piece.len())).sum(),
            false => credit(outgoing.data.len()),
        };
        let in_flight = self.in_flight();
        let window = self.peer_window();
        // The quarter is what the peer may keep to itself of what it took.
        if in_flight > window / 4 && in_flight + credit > window {
            return false;
        }
        let awaits_ack = outgoing.ack && self.has(Features::ACKS);
        let acknowledges = outgoing.answers.filter(|r| r.association == self.association).map(|r| r.id);
        // The cookie comes first; where it goes another way, it must have arrived.
        if acknowledges.is_some() && (self.cookie_due || self.data.is_separate() && self.cookie_waits()) {
            return false;
        }
        let numbered =
            in_fragments || outgoing.ack || pending.resend || acknowledges.is_some() || self.peer_expects != id;
        let enveloped = match &self.greeting {
            Greeting::Plain => false,
            // Where one message may overtake another each says its number.
            Greeting::Spoken(_) if self.has_streams => true,
            Greeting::Spoken(_) => {
                in_fragments || awaits_ack || pending.resend || acknowledges.is_some() || self.peer_expects != id
            }
            Greeting::Undecided if numbered || !first_association => return false,
            Greeting::Undecided => false,
        };
        let (stream, unordered) = match self.keeps_its_place(acknowledges) {
            true => (0, false),
            // Fragments follow one another in order.
            false => (outgoing.stream, outgoing.unordered && !in_fragments),
        };
        let ppid = outgoing.ppid;
        let envelope =
            Envelope { ack_wanted: awaits_ack, resent: pending.resend, more_follows: false, acknowledges, id, ppid };
        // One fragment given up would leave the others without an end, and a bare message that is lost is missing in the count.
        let is_limited = self.has_streams && !in_fragments && self.greeting != Greeting::Undecided;
        let lifetime = pending.expires.filter(|_| is_limited).map(|at| at.since(now));
        if in_fragments {
            let mut parts = 0;
            for (piece, more_follows) in fragments::split(&outgoing.data, carried) {
                parts += 1;
                let data = Envelope { more_follows, ..envelope }.encode(&piece);
                self.send(id, (stream, unordered), ENVELOPE_PPID, lifetime, data, piece.len());
            }
            self.parts.insert(id, parts);
        } else if enveloped {
            let data = envelope.encode(&outgoing.data);
            self.send(id, (stream, unordered), ENVELOPE_PPID, lifetime, data, outgoing.data.len());
        } else {
            self.send(id, (stream, unordered), ppid, lifetime, outgoing.data.clone(), outgoing.data.len());
        }
        self.peer_expects = match in_fragments || enveloped {
            true => self.peer_expects.max(id.saturating_add(1)),
            // The peer counts on, whatever its number is here: towards a plain one that may be another.
            false => self.peer_expects.saturating_add(1),
        };
        pending.transmitted = true;
        pending.awaits_ack = awaits_ack;
        true
    }

    /// Hands a message with so many bytes of user data to the transport.
    fn send(
        &mut self,
        id: u64,
        (stream, unordered): (u16, bool),
        ppid: u32,
        lifetime: Option<Duration>,
        data: Bytes,
        len: usize,
    ) {
        let credit = credit(len);
        let token = self.next_token;
        self.next_token += 1;
        let request = Request::Send { stream, ppid, unordered, lifetime, token: Token(token), data };
        match self.data.is_separate() {
            true => self.data_requests.push(request),
            false => self.requests.push(request),
        }
        self.sent.insert(token, (id, credit));
        self.undelivered += credit;
        self.credit.sent += credit as u64;
    }

    /// Until HELLO is known to both everything is ordered on stream 0, so that neither it nor a cookie is overtaken, also towards a peer
    /// that was taken as plain meanwhile; so is, later, an acknowledgement behind a cookie.
    fn keeps_its_place(&self, acknowledges: Option<u64>) -> bool {
        self.greeting == Greeting::Undecided
            || self.has_streams && (self.unheard.is_some() || acknowledges.is_some() && self.cookie.is_some())
    }

    /// Application bytes the peer has not taken, as far as we know.
    fn in_flight(&self) -> usize {
        match self.greeting {
            // Who says no TAKEN has only its transport's window.
            Greeting::Plain => self.undelivered,
            _ if self.credit.is_told => usize::try_from(self.credit.untaken()).unwrap_or(usize::MAX),
            _ => self.undelivered,
        }
    }

    /// The peer has a message: its id, if it was the application's.
    pub(in crate::session) fn delivered(&mut self, token: Token) -> Option<u64> {
        if let Some(len) = take(&mut self.control, &token.0) {
            self.control_bytes -= len;
            // A later one may have come through first.
            let first = self.control.first_key_value().map(|(token, _)| *token);
            self.unheard.take_if(|unheard| first.is_none_or(|first| first > *unheard));
            return None;
        }
        if let Some(len) = take(&mut self.cookies, &token.0) {
            self.cookie_bytes -= len;
            return None;
        }
        let (id, credit) = take(&mut self.sent, &token.0)?;
        self.undelivered -= credit;
        if let Some(parts) = self.parts.get_mut(&id) {
            *parts -= 1;
            if *parts > 0 {
                return None;
            }
            take(&mut self.parts, &id);
        }
        Some(id)
    }

    /// The transport refused a message and goes on: its id, if it was the application's.
    pub(in crate::session) fn refused(&mut self, token: Token) -> Option<u64> {
        let before = self.undelivered;
        // What is refused of a message in fragments is refused of the whole.
        if let Some((id, _)) = self.sent.get(&token.0) {
            take(&mut self.parts, id);
        }
        let id = self.delivered(token);
        // The peer never takes it.
        self.credit.refused((before - self.undelivered) as u64);
        id
    }

    /// The application's message with this token.
    pub(in crate::session) fn sent_as(&self, token: Token) -> Option<u64> {
        self.sent.get(&token.0).map(|(id, _)| *id)
    }

    /// The transport gave up a message with a lifetime, or is about to say that it is lost altogether.
    pub(in crate::session) fn undelivered(&mut self, token: Token) {
        self.given_up.push(token);
    }

    /// It is not lost: which messages it gave up. The peer may have them all the same.
    pub(in crate::session) fn take_given_up(&mut self) -> Vec<u64> {
        let tokens = std::mem::take(&mut self.given_up);
        let before = self.undelivered;
        let ids = tokens.into_iter().filter_map(|token| self.delivered(token)).collect();
        self.credit.given_up((before - self.undelivered) as u64);
        ids
    }

    /// TAKEN: the peer's application has taken so much since the association began.
    ///
    /// # Errors
    /// It was never sent so much.
    pub(in crate::session) fn peer_took(&mut self, bytes: u64) -> Result<(), String> {
        self.credit.peer_took(bytes)
    }

    fn peer_window(&self) -> usize {
        match &self.greeting {
            Greeting::Spoken(hello) => hello.receive_window as usize,
            _ => WINDOW_BEFORE_HELLO,
        }
    }
}
