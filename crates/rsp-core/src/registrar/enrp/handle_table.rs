// SPDX-License-Identifier: MIT OR Apache-2.0
//! Giving others a copy of the handlespace, page by page: RFC 5353 §3.2.3 and §3.6.3.

use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::enrp::{HandleTableRequest, HandleTableResponse};

use crate::handlespace::{Cursor, Page};
use crate::registrar::Registrar;
use crate::registrar::timer::Timer;

/// A copy that a peer is downloading.
#[derive(Debug, Clone, Copy)]
pub(in crate::registrar) struct Session {
    own_children_only: bool,
    /// Where the next page begins.
    after: Cursor,
}

impl Registrar {
    /// ENRP_HANDLE_TABLE_REQUEST: one page is the answer, so that nothing else has to wait long.
    pub(in crate::registrar) fn handle_table_request(
        &mut self,
        sender: ServerId,
        request: HandleTableRequest,
        now: Time,
    ) {
        let own_children_only = request.own_children_only;
        let (Some(peer), Some(link)) = (self.enrp.peers.get(sender), self.link_of(sender)) else { return };
        let begun = peer.session.filter(|session| session.own_children_only == own_children_only);
        let others = self.enrp.peers.iter().filter(|(id, peer)| *id != sender && peer.session.is_some());
        let is_busy = others.count() >= self.settings.limits.downloads;
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
        //# In such a case, the mentor peer MUST reject the request by the
        //# initiating server and respond with an ENRP_HANDLE_TABLE_RESPONSE
        //# message with the R flag set to '1', and with no pool entries included
        //# in the response.
        if !self.enrp.startup.is_done() || is_busy {
            self.metrics.downloads_rejected += 1;
            let entries = Vec::new();
            self.tell(sender, HandleTableResponse { reject: true, more_to_send: false, entries });
            return;
        }
        let page = Page {
            owner: own_children_only.then_some(self.id),
            after: begun.map(|session| session.after).unwrap_or_default(),
            max_message: self.settings.enrp.handle_table_page.min(self.peer(link).map_or(0, |peer| peer.max_message)),
        };
        self.buffer.clear();
        let next = self.handlespace.encode_table(self.header(sender), page, &mut self.buffer);
        let data = bytes::Bytes::copy_from_slice(&self.buffer);
        self.metrics.pages_sent += 1;
        self.send_enrp(link, data);
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
        //# Similarly, after sending out an ENRP_HANDLE_TABLE_RESPONSE, and the
        //# mentor peer setting the M-bit to '1' to indicate that it has more
        //# data to send, it SHOULD start a session timer.
        match next {
            Some(_) => self.timers.set(Timer::Session(sender), now + self.settings.enrp.max_time_no_response),
            None => drop(self.timers.stop(Timer::Session(sender))),
        }
        if let Some(peer) = self.enrp.peers.get_mut(sender) {
            peer.session = next.map(|after| Session { own_children_only, after });
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
    //# If this timer expires
    //# without receiving another request from the initiating server, the
    //# mentor peer SHOULD abort the session, cleaning out any resource and
    //# record of the session.
    pub(in crate::registrar) fn session_expired(&mut self, peer: ServerId) {
        if let Some(peer) = self.enrp.peers.get_mut(peer) {
            peer.session = None;
        }
    }
}
