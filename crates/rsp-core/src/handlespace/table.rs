// SPDX-License-Identifier: MIT OR Apache-2.0
//! What registrars tell each other of the handlespace, written straight from what is kept: ENRP_HANDLE_TABLE_RESPONSE in
//! pages (RFC 5353 §2.3) and ENRP_HANDLE_UPDATE (§2.4).

use bytes::BytesMut;
use rsp_wire::enrp::UpdateAction;
use rsp_wire::enrp::message_type::{HANDLE_TABLE_RESPONSE, HANDLE_UPDATE};
use rsp_wire::{Dialect, Encoder, PoolHandle, ServerId};

use super::{Cursor, Handlespace, Slot};

/// The M flag: more pool entries are to come.
const MORE_TO_SEND: u8 = 0x02;

/// The T flag of draft-dreibholz-rserpool-enrp-takeover.
const TAKEOVER_SUGGESTED: u8 = 0x01;

/// Message Length has 16 bits, and includes padding.
const MAX_MESSAGE: usize = 65_532;

/// Whom a message is from and for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Sending Server's ID.
    pub sender: ServerId,
    /// Receiving Server's ID.
    pub receiver: ServerId,
}

/// What to put into a page of the handle table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only the PEs of this registrar.
    pub owner: Option<ServerId>,
    /// Only what comes after this.
    pub after: Cursor,
    /// Longest message to write; one PE is written even if that is longer.
    pub max_message: usize,
}

impl Handlespace {
    /// Appends an ENRP_HANDLE_TABLE_RESPONSE. Answers where the next one goes on, `None` if this was the last.
    pub fn encode_table(&self, header: Header, page: Page, out: &mut BytesMut) -> Option<Cursor> {
        match page.owner {
            Some(owner) => self.encode_page(header, page.max_message, self.owned_by(owner, page.after), out),
            None => self.encode_page(header, page.max_message, self.all_after(page.after), out),
        }
    }

    fn encode_page(
        &self,
        header: Header,
        max_message: usize,
        elements: impl Iterator<Item = (Slot, Cursor)>,
        out: &mut BytesMut,
    ) -> Option<Cursor> {
        let start = out.len();
        let max_message = max_message.min(MAX_MESSAGE);
        let mut message = begin(HANDLE_TABLE_RESPONSE, 0, header, out);
        let (mut pool, mut last) = (None, Cursor::default());
        let mut more = false;
        let mut parameter = BytesMut::new();
        for (slot, cursor) in elements {
            let element = &self.elements[slot.0];
            let is_new_pool = pool != Some(element.pool());
            let handle = &self.pools[element.pool()].handle;
            parameter.clear();
            element.encode_whole(&mut parameter);
            let handle_length = if is_new_pool { 4 + handle.len().next_multiple_of(4) } else { 0 };
            let length = message.len().next_multiple_of(4) + handle_length + parameter.len();
            if length > max_message && last != Cursor::default() {
                more = true;
                break;
            }
            if is_new_pool {
                encode_handle(handle, &mut message);
                pool = Some(element.pool());
            }
            message.tlv(&parameter);
            last = cursor;
        }
        message.finish_message(Dialect::STANDARD).expect("a page is no longer than MAX_MESSAGE, an element than 4 KiB");
        if more {
            out[start + 1] |= MORE_TO_SEND;
        }
        more.then_some(last)
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.3.1
    //# The complete new information of the PE and the pool
    //# it belongs to MUST be indicated in the message with a PE parameter
    //# and a Pool Handle parameter, respectively.
    /// Appends an ENRP_HANDLE_UPDATE about the PE at `slot`, if there is one.
    pub fn encode_update(&self, header: Header, action: UpdateAction, suggest: bool, slot: Slot, out: &mut BytesMut) {
        let Some(element) = self.elements.get(slot.0) else { return };
        let mut parameter = BytesMut::new();
        element.encode_whole(&mut parameter);
        let mut message = begin(HANDLE_UPDATE, if suggest { TAKEOVER_SUGGESTED } else { 0 }, header, out);
        message.u32(u32::from(action.number()) << 16);
        encode_handle(&self.pools[element.pool()].handle, &mut message);
        message.tlv(&parameter);
        message.finish_message(Dialect::STANDARD).expect("an element is no longer than 4 KiB, a handle was registered");
    }
}

fn begin(message_type: u8, flags: u8, header: Header, out: &mut BytesMut) -> Encoder<'_> {
    let mut message = Encoder::message(out, message_type, flags);
    message.u32(header.sender.0);
    message.u32(header.receiver.0);
    message
}

fn encode_handle(handle: &[u8], message: &mut Encoder<'_>) {
    let handle = PoolHandle::new(bytes::Bytes::copy_from_slice(handle));
    handle.encode(message).expect("a known handle is no longer than the limit for handles");
}
