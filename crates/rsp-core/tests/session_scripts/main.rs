// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dialogues of a session in virtual time: `tests/scripts/session/*`. Regenerate with `UPDATE_GOLDENFILES=1`, then read the diff.

mod show;

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use machine::association::{AssociationId, Event, LostReason, Mapping, PathState, Peer, Request, Token};
use machine::{Machine, Output, Time};
use rsp_core::PPID_ASAP;
use rsp_core::config::{Profile, SessionSettings};
use rsp_core::session::*;
use rsp_wire::asap::{self, Message as Asap};
use rsp_wire::parameter::{
    self, ErrorCause, OperationError, PoolElement, RegistrationLife, Transport, TransportUse, UserTransport,
};
use rsp_wire::session::{ByeReason, ENVELOPE_PPID, Envelope, Features, Hello, SessionParameter};
use rsp_wire::{Dialect, PeId, ServerId};
use smallvec::smallvec;

use show::{show_pe, show_pu};

#[test]
fn scripts() {
    for entry in std::fs::read_dir("tests/scripts/session").expect("the scripts are there") {
        let path = entry.expect("readable").path();
        goldenscript::run(&mut Script::new(), &path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}

/// One end of a session; the script plays the application, the endpoint and the peer.
struct Script {
    end: End,
    now: Time,
    association: u64,
    sequence: u64,
    sends: u64,
    received: Vec<Receipt>,
    cookies: Vec<Bytes>,
}

enum End {
    None,
    Pu(PuSession),
    Pe(PeSession),
}

impl Script {
    fn new() -> Self {
        Script {
            end: End::None,
            now: Time::ZERO,
            association: 0,
            sequence: 0,
            sends: 0,
            received: Vec::new(),
            cookies: Vec::new(),
        }
    }

    fn pu(&mut self, input: PuInput) {
        let now = self.now;
        if let End::Pu(machine) = &mut self.end {
            machine.handle_input(input, now);
        }
    }

    fn pe(&mut self, input: PeInput) {
        let now = self.now;
        if let End::Pe(machine) = &mut self.end {
            machine.handle_input(input, now);
        }
    }

    fn event(&mut self, event: Event) {
        let id = AssociationId(self.association);
        self.pu(PuInput::Association(id, event.clone()));
        self.pe(match self.association {
            DATA => PeInput::Data(event),
            _ => PeInput::Association(event),
        });
    }

    fn message(&mut self, ppid: u32, data: Bytes) {
        self.message_on(0, false, ppid, data);
    }

    fn message_on(&mut self, stream: u16, unordered: bool, ppid: u32, data: Bytes) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.event(Event::Message { sequence, stream, ppid, unordered, data });
    }

    fn control(&mut self, message: Asap) {
        self.message(PPID_ASAP, message.to_bytes(Dialect::STANDARD).expect("short"));
    }

    fn session(&mut self, parameter: SessionParameter) {
        self.control(Asap::Session(asap::Session { parameters: smallvec![parameter], unknown: Vec::new() }));
    }

    fn wait(&mut self, time: Duration, out: &mut String) {
        let until = self.now + time;
        loop {
            let deadline = self.effects(out);
            match deadline.filter(|at| *at <= until) {
                Some(at) => {
                    self.now = self.now.max(at);
                    match &mut self.end {
                        End::Pu(machine) => machine.handle_timeout(self.now),
                        End::Pe(machine) => machine.handle_timeout(self.now),
                        End::None => return,
                    }
                }
                None => break,
            }
        }
        self.now = until;
    }

    fn effects(&mut self, out: &mut String) -> Option<Time> {
        loop {
            let line = match &mut self.end {
                End::None => return None,
                End::Pu(machine) => match machine.poll_output() {
                    Output::Wait(deadline) => return deadline,
                    Output::Effect(effect) => {
                        if let PuEffect::Association(id, Request::Connect { .. }) = &effect {
                            (self.association, self.sequence) = (id.0, 0);
                        }
                        if let PuEffect::Deliver(PuItem::Data(message)) = &effect {
                            self.received.push(message.receipt);
                        }
                        show_pu(&effect)
                    }
                },
                End::Pe(machine) => match machine.poll_output() {
                    Output::Wait(deadline) => return deadline,
                    Output::Effect(effect) => {
                        if let PeEffect::Association(Request::Send { ppid: PPID_ASAP, data, .. }) = &effect
                            && let Asap::Cookie(cookie) = Asap::decode(data).expect("what we send is right").message
                        {
                            self.cookies.push(Bytes::copy_from_slice(&cookie.cookie));
                        }
                        if let PeEffect::Deliver(PeItem::Data(message)) = &effect {
                            self.received.push(message.receipt);
                        }
                        show_pe(&effect)
                    }
                },
            };
            writeln!(out, "[{}] {line}", self.now).expect("a string");
        }
    }
}

/// Arguments with errors that name what is missing.
struct Args<'a>(ArgumentConsumer<'a>);

impl<'a> Args<'a> {
    fn next(&mut self) -> Result<&'a str, Box<dyn Error>> {
        self.0.next_pos().ok_or_else(|| "an argument is missing".into())
    }

    fn key<T: std::str::FromStr<Err: Error + 'static>>(&mut self, name: &str) -> Result<Option<T>, Box<dyn Error>> {
        Ok(self.0.take_key(name).map(str::parse).transpose()?)
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut out = String::new();
        let mut args = Args(command.consume_args());
        let mut settings = SessionSettings::of(Profile::Fast);
        match command.name.as_str() {
            // pu [mixed-pools=BOOL] [failover=BOOL] [hold=BOOL] [extensions=BOOL] [window=N]
            "pu" => {
                let failover = args.key("failover")?.unwrap_or(true);
                let hold_failover = args.key("hold")?.unwrap_or(false);
                settings.extensions = args.key("extensions")?.unwrap_or(true);
                settings.mixed_pools = args.key("mixed-pools")?.unwrap_or(false);
                self.end = End::Pu(PuSession::new(
                    settings,
                    PuOptions { failover, hold_failover, separate: args.key("separate")?.unwrap_or(false) },
                    0xabc,
                ));
                self.pu(PuInput::Start);
            }
            // pe [acks=BOOL] [on=TRANSPORT] [keys=SEED[+SEED..]] [interval=MS] [max-control=BYTES]: keys seal its cookies
            "pe" => {
                let acks = args.key("acks")?.unwrap_or(true);
                let peer = peer(args.key("on")?);
                self.association = 1;
                let keys: Option<String> = args.key("keys")?;
                settings.cookie_interval = Duration::from_millis(args.key("interval")?.unwrap_or(0));
                settings.max_control_bytes = args.key("max-control")?.unwrap_or(settings.max_control_bytes);
                let lifetime = settings.cookie_lifetime;
                let mut machine = PeSession::new(settings, PeId(7), acks, AssociationId(1), &peer, self.now);
                if let Some(seal) = seal(keys.as_deref().unwrap_or(""), lifetime)? {
                    machine.seal_cookies(seal);
                }
                if args.key("separate")?.unwrap_or(false) {
                    machine.offer_separate_data();
                }
                self.end = End::Pe(machine);
            }
            // selected PE | selected none
            "selected" => {
                let result = match args.next()? {
                    "none" => Err(SelectFailure::UnknownPool("no such pool".into())),
                    "plain-udp" => Ok(element(1, parameter::Protocol::Udp)),
                    "separate" => Ok(separate(args.next()?.parse()?)),
                    pe => Ok(element(pe.parse()?, parameter::Protocol::Tcp)),
                };
                self.pu(PuInput::Endpoint(FromEndpoint::Selected(result)));
            }
            "listed" => {
                let listed = args.next()?.parse()?;
                self.pu(PuInput::Endpoint(FromEndpoint::Listed(listed)));
            }
            // on ASSOCIATION: what happens next happens there
            "on" => self.association = args.next()?.parse()?,
            "joined" => {
                self.pe(PeInput::Joined(peer(args.key("on")?), 0));
                self.association = DATA;
            }
            // up [on=tcp|sctp|sctp-udp]
            "up" => {
                let peer = peer(args.key("on")?);
                self.event(Event::Up(peer));
            }
            "taken" => {
                let bytes = args.next()?.parse()?;
                self.session(SessionParameter::Taken { bytes });
            }
            "lost" => {
                let reason = match args.0.next_pos() {
                    Some("refused") => LostReason::Refused,
                    Some("silent") => LostReason::HeartbeatMissed,
                    _ => LostReason::PeerClosed,
                };
                self.event(Event::Lost(reason));
            }
            // path ADDRESS unreachable|available
            "path" => {
                let address = args.next()?.parse()?;
                let state = match args.next()? {
                    "unreachable" => PathState::Unreachable,
                    _ => PathState::Available,
                };
                self.event(Event::PathChange { address, state });
            }
            "paused" => self.event(Event::Paused),
            "delivered" => {
                let token = args.next()?.parse()?;
                self.event(Event::Delivered(Token(token)));
            }
            "undelivered" => {
                let token = args.next()?.parse()?;
                self.event(Event::Undelivered(Token(token)));
            }
            "not-sent" => {
                let token = args.next()?.parse()?;
                self.event(Event::NotSent(Token(token)));
            }
            // hello [answer=BOOL] [acks=BOOL] [count=N] [window=N] [heartbeat=MS] [session=N]
            "hello" => {
                let acks = if args.key("acks")?.unwrap_or(true) { Features::ACKS } else { Features(0) };
                let separate =
                    if args.key("separate")?.unwrap_or(false) { Features::SEPARATE_DATA } else { Features(0) };
                let fragments = if args.key("fragments")?.unwrap_or(false) { Features::FRAGMENTS } else { Features(0) };
                let hello = Hello {
                    version: 1,
                    answer: args.key("answer")?.unwrap_or(matches!(self.end, End::Pu(_))),
                    resumed: false,
                    data: false,
                    features: acks | fragments | separate | Features::HEARTBEAT | Features::DRAIN,
                    session_id: args.key("session")?.unwrap_or(0xabc),
                    failover_count: args.key("count")?.unwrap_or(0),
                    heartbeat_ms: args.key("heartbeat")?.unwrap_or(200),
                    largest_message: args.key("largest")?.unwrap_or(if fragments.0 == 0 { 65_455 } else { 1 << 20 }),
                    receive_window: args.key("window")?.unwrap_or(262_144),
                    next: 1,
                };
                self.session(SessionParameter::Hello(hello));
            }
            // data TEXT [repeat=N] [id=N] [ack=BOOL] [resent=BOOL] [answers=N] [more=BOOL] [stream=N] [unordered=BOOL]: bare without id
            "data" => {
                let text = args.next()?.repeat(args.key("repeat")?.unwrap_or(1));
                let (stream, unordered) = (args.key("stream")?.unwrap_or(0), args.key("unordered")?.unwrap_or(false));
                match args.key("id")? {
                    None => self.message_on(stream, unordered, 5, text.into()),
                    Some(id) => {
                        let envelope = Envelope {
                            ack_wanted: args.key("ack")?.unwrap_or(false),
                            resent: args.key("resent")?.unwrap_or(false),
                            more_follows: args.key("more")?.unwrap_or(false),
                            acknowledges: args.key("answers")?,
                            id,
                            ppid: 5,
                        };
                        self.message_on(stream, unordered, ENVELOPE_PPID, envelope.encode(text.as_bytes()));
                    }
                }
            }
            "raw" => {
                let ppid = args.next()?.parse()?;
                let data = args.next()?.to_owned();
                self.message(ppid, data.into());
            }
            "cookie" => {
                let cookie = args.next()?.repeat(args.key("repeat")?.unwrap_or(1)).into();
                self.control(Asap::Cookie(asap::Cookie { cookie, unknown: Vec::new() }));
            }
            "cookie-echo" => {
                let cookie = args.next()?.repeat(args.key("repeat")?.unwrap_or(1)).into();
                self.control(Asap::CookieEcho(asap::CookieEcho { cookie, unknown: Vec::new() }));
            }
            // echo-of N: what the N-th cookie set was on the wire; [changed=BOOL]
            "echo-of" => {
                let index: usize = args.next()?.parse()?;
                let mut cookie = self.cookies[index].to_vec();
                if args.key("changed")?.unwrap_or(false) {
                    cookie[28] ^= 1;
                }
                self.control(Asap::CookieEcho(asap::CookieEcho { cookie: cookie.into(), unknown: Vec::new() }));
            }
            "unrecognized" => {
                let error =
                    OperationError(smallvec![ErrorCause::UnrecognizedMessage(Bytes::from_static(&[0x3f, 0, 0, 4]))]);
                self.control(Asap::Error(asap::Error { error, unknown: Vec::new() }));
            }
            "acked" => {
                let ids = std::iter::from_fn(|| args.0.next_pos()).map(str::parse).collect::<Result<_, _>>()?;
                self.session(SessionParameter::Ack(ids));
            }
            // heartbeat [repeat=N]: what is answered to more than one is not shown
            "heartbeat" => {
                let repeat = args.key("repeat")?.unwrap_or(1);
                for number in 0..repeat {
                    self.session(SessionParameter::Heartbeat(99));
                    if repeat > 1 {
                        let mut answers = String::new();
                        self.effects(&mut answers);
                        if !answers.contains("HeartbeatAck") {
                            writeln!(out, "after {number}:\n{answers}")?;
                            break;
                        }
                    }
                }
            }
            // asks COUNT: messages that want an acknowledgement; the application takes and acknowledges each. Only what ends it is shown.
            "asks" => {
                for id in 1..=args.next()?.parse()? {
                    let envelope = Envelope {
                        ack_wanted: true,
                        resent: false,
                        more_follows: false,
                        acknowledges: None,
                        id,
                        ppid: 5,
                    };
                    let before = self.received.len();
                    self.message_on(0, false, ENVELOPE_PPID, envelope.encode(b"x"));
                    let mut shown = String::new();
                    self.effects(&mut shown);
                    let Some(receipt) = self.received.get(before).copied() else {
                        writeln!(out, "after {}:\n{shown}", id - 1)?;
                        break;
                    };
                    self.pe(PeInput::Taken(receipt));
                    self.pe(PeInput::Acknowledge(receipt));
                }
            }
            "heartbeat-ack" => self.session(SessionParameter::HeartbeatAck(0)),
            "drain-asked" => self.session(SessionParameter::Drain { milliseconds: 2000 }),
            "bye" => {
                let reason = match args.0.next_pos() {
                    Some("drained") => ByeReason::Drained,
                    Some("moved") => ByeReason::Moved,
                    _ => ByeReason::Closed,
                };
                self.session(SessionParameter::Bye(reason));
            }
            // send TEXT [repeat=N] [ack=BOOL] [failover=BOOL] [only=PE] [answers=INDEX of a received message] [stream=N] [unordered=BOOL] [lifetime=MS]
            "send" => {
                let data = args.next()?.to_owned();
                let repeat: usize = args.key("repeat")?.unwrap_or(1);
                let answers: Option<usize> = args.key("answers")?;
                let outgoing = Outgoing {
                    ack: args.key("ack")?.unwrap_or(false),
                    failover: args.key("failover")?,
                    only: args.key("only")?.map(PeId),
                    lifetime: args.key("lifetime")?.map(Duration::from_millis),
                    answers: answers.map(|index| self.received[index]),
                    ppid: 5,
                    stream: args.key("stream")?.unwrap_or(0),
                    unordered: args.key("unordered")?.unwrap_or(false),
                    ..Outgoing::from(Bytes::from(data.repeat(repeat)))
                };
                self.sends += 1;
                let send = SendId(self.sends);
                match args.key("callback")? {
                    Some(number) => self.pu(PuInput::CallbackSend(number, send, outgoing.clone())),
                    None => self.pu(PuInput::Send(send, outgoing.clone())),
                }
                self.pe(PeInput::Send(send, outgoing));
            }
            "take" | "ack" => {
                let index: usize = args.next()?.parse()?;
                let receipt = self.received[index];
                if command.name == "take" {
                    self.pu(PuInput::Taken(receipt));
                    self.pe(PeInput::Taken(receipt));
                } else {
                    self.pu(PuInput::Acknowledge(receipt));
                    self.pe(PeInput::Acknowledge(receipt));
                }
            }
            "set-cookie" => {
                let cookie = args.next()?.to_owned().into();
                self.pe(PeInput::SetCookie(cookie));
            }
            // prefer [of=PE] [PE..]
            "prefer" => {
                let of = args.key("of")?.map(PeId);
                let elements = std::iter::from_fn(|| args.0.next_pos())
                    .map(|pe| Ok(element(pe.parse()?, parameter::Protocol::Tcp)))
                    .collect::<Result<_, Box<dyn Error>>>()?;
                self.pu(PuInput::Prefer(of, elements));
            }
            // card POOL [PE..] | set-card POOL [PE..]
            "card" | "set-card" => {
                let pool_handle = rsp_wire::PoolHandle::from(args.next()?);
                let pool_elements = std::iter::from_fn(|| args.0.next_pos())
                    .map(|pe| Ok(element(pe.parse()?, parameter::Protocol::Tcp)))
                    .collect::<Result<_, Box<dyn Error>>>()?;
                let card = asap::BusinessCard { pool_handle, pool_elements, unknown: Vec::new() };
                if command.name == "card" {
                    self.control(Asap::BusinessCard(card));
                } else {
                    self.pu(PuInput::SetBusinessCard(card.clone()));
                    self.pe(PeInput::SetBusinessCard(card));
                }
            }
            "watch-application" => {
                let ms = args.next()?.parse()?;
                if let End::Pe(machine) = &mut self.end {
                    machine.watch_application(Duration::from_millis(ms));
                }
            }
            "drain" => self.pe(PeInput::Drain(Duration::from_secs(2))),
            "supersede" => self.pe(PeInput::Supersede),
            "failover-done" => {
                let number = args.next()?.parse()?;
                self.pu(PuInput::FailoverDone(number));
            }
            "force-failover" => {
                let report = args.key("report")?.unwrap_or(false);
                self.pu(PuInput::ForceFailover { report });
            }
            "close" => {
                self.pu(PuInput::Close);
                self.pe(PeInput::Close);
            }
            "wait" => {
                let ms = args.next()?.parse()?;
                self.wait(Duration::from_millis(ms), &mut out);
            }
            other => return Err(format!("unknown command {other}").into()),
        }
        args.0.reject_next()?;
        self.effects(&mut out);
        Ok(out)
    }
}

/// Keys of these numbers, whose secrets are the numbers.
fn seal(keys: &str, lifetime: Duration) -> Result<Option<CookieSeal>, Box<dyn Error>> {
    let keys: Vec<u8> = keys.split('+').filter(|it| !it.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
    let keys: Vec<_> = keys.into_iter().map(|key| CookieKey::new(key.into(), [key; 32])).collect();
    Ok(CookieSeal::new(&keys, Duration::from_secs(1_800_000_000), lifetime))
}

/// A peer on this transport.
fn peer(on: Option<String>) -> Peer {
    let on = on.as_deref().unwrap_or("tcp");
    Peer {
        addresses: smallvec!["127.0.0.1:9".parse().expect("an address")],
        local: "127.0.0.1:8".parse().expect("an address"),
        mapping: if on == "tcp" { Mapping::Tcp } else { Mapping::Sctp },
        max_message: 65_455,
        identity: Default::default(),
        local_addresses: Default::default(),
        own_heartbeat: on != "sctp",
    }
}

fn element(id: u32, protocol: parameter::Protocol) -> PoolElement {
    PoolElement {
        id: PeId(id),
        home: ServerId(1),
        life: RegistrationLife(60),
        user_transport: UserTransport::Ip(Transport {
            protocol,
            port: 7000 + id as u16,
            transport_use: if protocol == parameter::Protocol::Tcp {
                TransportUse::DATA_PLUS_CONTROL
            } else {
                TransportUse::DATA_ONLY
            },
            addresses: smallvec!["192.0.2.1".parse().expect("an address")],
        }),
        policy: parameter::Policy::RoundRobin,
        asap_transport: None,
        unknown: Vec::new(),
    }
}

/// Data at one address, control at another.
fn separate(id: u32) -> PoolElement {
    let mut element = element(id, parameter::Protocol::Tcp);
    if let UserTransport::Ip(transport) = &mut element.user_transport {
        transport.transport_use = TransportUse::DATA_ONLY;
        element.asap_transport =
            Some(Transport { port: 9000 + id as u16, transport_use: TransportUse::CONTROL_ONLY, ..transport.clone() });
    }
    element
}

/// The association for user data of a PE that has its own.
const DATA: u64 = 3;
