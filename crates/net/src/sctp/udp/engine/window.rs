// SPDX-License-Identifier: MIT OR Apache-2.0
//! The receive window (RFC 9260 §6.2): what dcSCTP holds of a peer's, and what the peer is told of it. dcSCTP counts bytes
//! only, says nothing when there is room again, and does not answer DATA for which it has none.

use super::{Engine, kind, packet};

#[derive(Debug, Default)]
pub(super) struct Window {
    /// Cumulative TSN Ack and window of the last SACK we sent.
    told: Option<(u32, u32)>,
    /// A message has left dcSCTP since.
    has_drained: bool,
    owed: Owed,
    /// Small chunks that dcSCTP may hold.
    small: usize,
    /// Bytes that dcSCTP holds, if known: nothing has come since it told.
    held: Option<usize>,
}

/// A SACK for DATA that will not be acknowledged unless we see to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Owed {
    #[default]
    No,
    Yes,
    /// And dcSCTP has been asked for it.
    Asked,
}

impl Window {
    /// Cumulative TSN Ack of the last SACK we sent.
    pub(super) fn acknowledged(&self) -> Option<u32> {
        self.told.map(|(tsn, _)| tsn)
    }

    /// DATA came. Whether dcSCTP may have it; `None` if there is no end of it.
    pub(super) fn admits(&mut self, small: usize, is_next: bool, waiting: usize) -> Option<bool> {
        self.held = None;
        let may = waiting < MOST_WAITING && (self.small + small <= MANY_SMALL || is_next);
        let is_told_zero = self.told.is_some_and(|(_, window)| window == 0);
        if !may || is_told_zero {
            self.owed = Owed::Yes;
        }
        let has_end = self.small <= MOST_SMALL;
        if may {
            self.small += small;
        }
        has_end.then_some(may)
    }

    /// A message of this length has left dcSCTP.
    pub(super) fn drained(&mut self, len: usize) {
        self.has_drained = true;
        self.small = self.small.saturating_sub(1);
        self.held = self.held.map(|held| held.saturating_sub(len));
    }

    /// All messages have left dcSCTP.
    pub(super) fn drained_all(&mut self) {
        if self.held == Some(0) {
            self.small = 0;
        }
    }
}

impl Engine {
    /// A SACK of dcSCTP's is on its way: what it says is noted, and that there is no room if nobody takes very many messages.
    pub(super) fn tell_window(&mut self, index: usize, bytes: &mut [u8]) {
        let association = &mut self.associations[index];
        let Some(value) = bytes.get(SACK_VALUE).and_then(|value| <[u8; 8]>::try_from(value).ok()) else { return };
        let [t3, t2, t1, t0, w3, w2, w1, w0] = value;
        let (tsn, mut window) = (u32::from_be_bytes([t3, t2, t1, t0]), u32::from_be_bytes([w3, w2, w1, w0]));
        let room = room(self.settings.receive_window);
        association.window.held = (window > 0).then(|| room.saturating_sub(window) as usize);
        if association.sctp.as_ref().is_some_and(|sctp| sctp.messages_waiting() >= MOST_WAITING) {
            window = 0;
            bytes[SACK_VALUE][4..].fill(0);
            packet::seal(bytes);
        }
        association.window.told = Some((tsn, window));
        association.window.has_drained = false;
        association.window.owed = Owed::No;
    }

    /// Has dcSCTP send a SACK if the peer waits for one that would not come. `true` if it may have something to say.
    pub(super) fn ask_for_sack(&mut self, index: usize) -> bool {
        let room = room(self.settings.receive_window);
        let Some(association) = self.associations.get_mut(index) else { return false };
        let (Some(sctp), window) = (&mut association.sctp, &mut association.window) else { return false };
        let Some((tsn, told)) = window.told else { return false };
        // dcSCTP would let the peer find out that there is room.
        let is_better = window.has_drained && told < room / 4 && sctp.messages_waiting() == 0;
        match window.owed {
            Owed::No if !is_better => return false,
            Owed::Asked => {
                // Where there is no room, dcSCTP does not even answer.
                window.owed = Owed::No;
                window.told = Some((tsn, 0));
                let sack = packet::single(association.header(), kind::SACK, 0, &[&tsn.to_be_bytes(), &[0; 8]]);
                self.transmit(index, sack);
                return false;
            }
            Owed::Yes => window.owed = Owed::Asked,
            Owed::No => {}
        }
        window.has_drained = false;
        // What it has already it acknowledges at once, and forgets it. The SACK has the true gaps and window.
        let header = packet::Header {
            source_port: association.path.peer_port,
            destination_port: association.path.local_port,
            tag: association.local_tag,
        };
        let known = packet::single(header, kind::DATA, WHOLE, &[&tsn.to_be_bytes(), &[0; 8], &[0]]);
        if sctp.input(&known).is_err() {
            self.broken(index);
            return false;
        }
        true
    }
}

/// What dcSCTP tells if nothing waits there.
fn room(window: u32) -> u32 {
    (window as f32 * 0.9) as u32
}

/// Cumulative TSN Ack and window in a packet that begins with a SACK.
const SACK_VALUE: std::ops::Range<usize> =
    packet::HEADER + packet::CHUNK_HEADER..packet::HEADER + packet::CHUNK_HEADER + 8;

/// The B and E bits of DATA.
const WHOLE: u8 = 3;

/// Messages that wait at dcSCTP because nobody takes those before them. It counts their bytes for each chunk that comes.
pub(super) const MOST_WAITING: usize = 1024;

/// Small chunks that may wait at dcSCTP for others. Above it, only what the others wait for gets in: a peer that lost one
/// goes on, and sends the rest again.
const MANY_SMALL: usize = 1024;

/// Small chunks at dcSCTP which no honest peer exceeds. It moves all of a stream for each that it takes from the front.
const MOST_SMALL: usize = 3072;
