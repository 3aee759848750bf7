// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a session wants done, as the scripts show it.

use bytes::Bytes;
use machine::association::Request;
use rsp_core::PPID_ASAP;
use rsp_core::session::*;
use rsp_wire::asap::{self, Message as Asap};
use rsp_wire::session::{ENVELOPE_PPID, Envelope};

pub(super) fn show_pu(effect: &PuEffect) -> String {
    match effect {
        PuEffect::Association(id, request) => show_request(id.0, request),
        PuEffect::Endpoint(request) => format!("endpoint: {request:?}"),
        PuEffect::Deliver(PuItem::Data(message)) => show_message(message),
        PuEffect::Deliver(PuItem::Failover { number, from, to, cause, cookie_sent }) => {
            format!("deliver: failover {number} from {} to {} ({cause}), cookie sent: {cookie_sent}", from.0, to.pe.0)
        }
        PuEffect::Deliver(PuItem::Connected(target)) => format!("deliver: connected to {}", target.pe.0),
        PuEffect::Deliver(PuItem::Drain) => "deliver: drain".into(),
        PuEffect::Deliver(PuItem::BusinessCard(card)) => show_card(card),
        PuEffect::Outcome(send, outcome) => show_outcome(*send, outcome),
        PuEffect::Ended(result) => match result {
            Ok(()) => "ended".into(),
            Err(error) => format!("ended: {error}"),
        },
        PuEffect::Event(event) => format!("event: {event:?}"),
    }
}

pub(super) fn show_pe(effect: &PeEffect) -> String {
    match effect {
        PeEffect::Association(request) => show_request(1, request),
        PeEffect::Data(request) => show_request(3, request),
        PeEffect::Deliver(PeItem::Data(message)) => show_message(message),
        PeEffect::Deliver(PeItem::Cookie(cookie)) => format!("deliver: cookie {}", text(cookie)),
        PeEffect::Deliver(PeItem::BusinessCard(card)) => show_card(card),
        PeEffect::Outcome(send, outcome) => show_outcome(*send, outcome),
        PeEffect::Greeted { session_id, failover_count } => {
            format!("greeted: session {session_id:#x}, failover count {failover_count}")
        }
        PeEffect::Ended(end) => format!("ended: {end}"),
        PeEffect::Event(event) => format!("event: {event:?}"),
    }
}

fn show_card(card: &asap::BusinessCard) -> String {
    let prefer: Vec<_> = card.pool_elements.iter().map(|pe| pe.id.0).collect();
    format!("deliver: business card of {}, prefers {prefer:?}", card.pool_handle)
}

fn show_message(message: &Message) -> String {
    let mut line = format!("deliver: data {} id={}", text(&message.data), message.id);
    for (flag, name) in [(message.ack_wanted, "ack wanted"), (message.resent, "resent")] {
        if flag {
            line += &format!(", {name}");
        }
    }
    line
}

fn show_outcome(send: SendId, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Acknowledged(pe) => format!("outcome of send {}: acknowledged by {}", send.0, pe.0),
        Outcome::Delivered(pe) => format!("outcome of send {}: delivered to {}", send.0, pe.0),
        Outcome::Returned(outgoing, reason) => {
            format!("outcome of send {}: {} returned: {reason}", send.0, text(&outgoing.data))
        }
    }
}

fn show_request(id: u64, request: &Request) -> String {
    let what = match request {
        Request::Connect { to, .. } => format!("connect {}", to[0]),
        Request::Send { ppid: PPID_ASAP, data, stream: 0, unordered: false, .. } => {
            let decoded = Asap::decode(data).expect("what we send is right").message;
            match decoded {
                Asap::Session(session) => format!("{:?}", session.parameters[0]),
                Asap::Cookie(cookie) => format!("ASAP_COOKIE {}", text(&cookie.cookie)),
                Asap::CookieEcho(cookie) => format!("ASAP_COOKIE_ECHO {}", text(&cookie.cookie)),
                other => format!("{} {other:?}", other.name()),
            }
        }
        Request::Send { ppid: ENVELOPE_PPID, data, token, stream, unordered, lifetime } => {
            let (envelope, data) = Envelope::decode(data).expect("what we send is right");
            let Envelope { ack_wanted, resent, acknowledges, id, more_follows, .. } = envelope;
            format!(
                "envelope {} id={id} ack={ack_wanted} resent={resent} answers={acknowledges:?} (token {}){}{}{}",
                text(&data),
                token.0,
                place(*stream, *unordered),
                lifetime.map(|it| format!(" lifetime {it:?}")).unwrap_or_default(),
                if more_follows { " more follows" } else { "" }
            )
        }
        Request::Send { data, token, stream, unordered, .. } => {
            format!("bare {} (token {}){}", text(data), token.0, place(*stream, *unordered))
        }
        other => format!("{other:?}"),
    };
    format!("-> {id} {what}")
}

/// Where among the others a message goes, unless it is in order on stream 0.
fn place(stream: u16, unordered: bool) -> String {
    match (stream, unordered) {
        (0, false) => String::new(),
        (stream, false) => format!(" stream {stream}"),
        (stream, true) => format!(" stream {stream} unordered"),
    }
}

pub(super) fn text(data: &Bytes) -> String {
    match data.len() {
        0..=40 => format!("{:?}", String::from_utf8_lossy(data)),
        len => format!("({len} bytes)"),
    }
}
