// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages, a struct each. Fields carry the names of the RFC; `unknown` is what this version does not know.
#![allow(missing_docs, reason = "the RFC names and describes the fields")]

use crate::parameter::{OperationError, Policy, PoolElement, Transport, UnknownParameter};
use crate::session::SessionParameter;
use crate::{PeId, PoolHandle, ServerId};
use bytes::Bytes;
use smallvec::SmallVec;

/// Any ASAP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Registration(Registration),
    Deregistration(Deregistration),
    RegistrationResponse(RegistrationResponse),
    DeregistrationResponse(DeregistrationResponse),
    HandleResolution(HandleResolution),
    HandleResolutionResponse(HandleResolutionResponse),
    EndpointKeepAlive(EndpointKeepAlive),
    EndpointKeepAliveAck(EndpointKeepAliveAck),
    EndpointUnreachable(EndpointUnreachable),
    ServerAnnounce(ServerAnnounce),
    Cookie(Cookie),
    CookieEcho(CookieEcho),
    BusinessCard(BusinessCard),
    Error(Error),
    Session(Session),
}

/// ASAP_REGISTRATION, RFC 5352 §2.2.1
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub pool_handle: PoolHandle,
    pub pool_element: PoolElement,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_DEREGISTRATION, RFC 5352 §2.2.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deregistration {
    pub pool_handle: PoolHandle,
    pub pe_id: PeId,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_REGISTRATION_RESPONSE, RFC 5352 §2.2.3
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationResponse {
    /// R: the registration was rejected.
    pub reject: bool,
    pub pool_handle: PoolHandle,
    pub pe_id: PeId,
    /// Why it was rejected; with R = 0 a warning.
    pub error: Option<OperationError>,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_DEREGISTRATION_RESPONSE, RFC 5352 §2.2.4
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeregistrationResponse {
    pub pool_handle: PoolHandle,
    pub pe_id: PeId,
    pub error: Option<OperationError>,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_HANDLE_RESOLUTION, RFC 5352 §2.2.5, with the option of draft-dreibholz-rserpool-asap-hropt
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleResolution {
    /// S: send updates while the association lives.
    pub subscribe: bool,
    pub pool_handle: PoolHandle,
    /// 0x803f: how many items; 0 = the registrar's default, 0xffffffff = as many as possible.
    pub items: Option<u32>,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_HANDLE_RESOLUTION_RESPONSE, RFC 5352 §2.2.6
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleResolutionResponse {
    /// A: updates will be sent.
    pub accept_updates: bool,
    pub pool_handle: PoolHandle,
    /// Overall PE selection policy; absent = Round Robin.
    pub policy: Option<Policy>,
    pub pool_elements: Vec<PoolElement>,
    /// Present = the resolution failed.
    pub error: Option<OperationError>,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_ENDPOINT_KEEP_ALIVE, RFC 5352 §2.2.7
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointKeepAlive {
    /// H: the sender wants to be the receiver's home registrar.
    pub home: bool,
    pub server_id: ServerId,
    pub pool_handle: PoolHandle,
    /// RSPLIB's extension, ours too: which PE is meant.
    pub pe_id: Option<PeId>,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_ENDPOINT_KEEP_ALIVE_ACK, RFC 5352 §2.2.8
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointKeepAliveAck {
    pub pool_handle: PoolHandle,
    pub pe_id: PeId,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_ENDPOINT_UNREACHABLE, RFC 5352 §2.2.9
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUnreachable {
    pub pool_handle: PoolHandle,
    pub pe_id: PeId,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_SERVER_ANNOUNCE, RFC 5352 §2.2.10
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAnnounce {
    pub server_id: ServerId,
    pub transports: SmallVec<[Transport; 1]>,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_COOKIE, RFC 5352 §2.2.11
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    pub cookie: Bytes,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_COOKIE_ECHO, RFC 5352 §2.2.12
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieEcho {
    pub cookie: Bytes,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_BUSINESS_CARD, RFC 5352 §2.2.13
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessCard {
    pub pool_handle: PoolHandle,
    /// Preferred failover order.
    pub pool_elements: Vec<PoolElement>,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_ERROR, RFC 5352 §2.2.14
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub error: OperationError,
    pub unknown: Vec<UnknownParameter>,
}

/// ASAP_SESSION 0x3f, `docs/session-wire.md`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub parameters: SmallVec<[SessionParameter; 1]>,
    pub unknown: Vec<UnknownParameter>,
}

impl HandleResolution {
    /// Items of option 0x803f: as many as possible.
    pub const ALL_ITEMS: u32 = 0xffff_ffff;
}
