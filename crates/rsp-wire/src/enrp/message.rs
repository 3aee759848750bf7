// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages, a struct each.

use smallvec::SmallVec;

use crate::parameter::{OperationError, PoolElement, ServerInformation, UnknownParameter};
use crate::{Checksum, PoolHandle, ServerId};

/// An ENRP message with the two identifiers all of them start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Sending Server's ID.
    pub sender: ServerId,
    /// Receiving Server's ID, [`ServerId::NONE`] = all.
    pub receiver: ServerId,
    /// The rest.
    pub body: Body,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

/// What an ENRP message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// ENRP_PRESENCE, RFC 5353 §2.1
    Presence {
        /// Flag 0x01, which the RFC's text names and its figure forgets.
        reply_required: bool,
        /// PE Checksum.
        checksum: Option<Checksum>,
        /// Server Information of the sender.
        server_information: Option<ServerInformation>,
    },
    /// ENRP_HANDLE_TABLE_REQUEST, §2.2
    HandleTableRequest {
        /// W: only the receiver's own PEs.
        own_children_only: bool,
    },
    /// ENRP_HANDLE_TABLE_RESPONSE, §2.3
    HandleTableResponse {
        /// R
        reject: bool,
        /// M: more to send.
        more_to_send: bool,
        /// Pool entries in order.
        entries: Vec<PoolEntry>,
    },
    /// ENRP_HANDLE_UPDATE, §2.4
    HandleUpdate {
        /// T: takeover suggested, draft-dreibholz-rserpool-enrp-takeover.
        takeover_suggested: bool,
        /// Update Action.
        action: UpdateAction,
        /// The pool.
        pool_handle: PoolHandle,
        /// The PE.
        pool_element: PoolElement,
    },
    /// ENRP_LIST_REQUEST, §2.5
    ListRequest,
    /// ENRP_LIST_RESPONSE, §2.6
    ListResponse {
        /// R
        reject: bool,
        /// The peers the sender knows.
        servers: Vec<ServerInformation>,
    },
    /// ENRP_INIT_TAKEOVER, §2.7
    InitTakeover {
        /// Targeting Server's ID.
        target: ServerId,
    },
    /// ENRP_INIT_TAKEOVER_ACK, §2.8
    InitTakeoverAck {
        /// Targeting Server's ID.
        target: ServerId,
    },
    /// ENRP_TAKEOVER_SERVER, §2.9
    TakeoverServer {
        /// Targeting Server's ID.
        target: ServerId,
    },
    /// ENRP_ERROR, §2.10
    Error {
        /// Operation Error.
        error: OperationError,
    },
}

/// Update Action of ENRP_HANDLE_UPDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpdateAction {
    /// 0x0000 ADD_PE
    AddPe,
    /// 0x0001 DEL_PE
    DelPe,
    /// Reserved by IETF.
    Other(u16),
}

/// Pool Entry of ENRP_HANDLE_TABLE_RESPONSE: a handle and the PEs that follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolEntry {
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// At least one on the wire.
    pub pool_elements: SmallVec<[PoolElement; 1]>,
}
