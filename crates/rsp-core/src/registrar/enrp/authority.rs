// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may change a PE. RFC 5353 lets every peer change everything; here the home decides, and where two believe they are, the PE.

use rsp_wire::ServerId;

use crate::handlespace::Slot;
use crate::registrar::Registrar;
use crate::registrar::event::Refusal;

/// What is to be done about a peer's claim that `home` is the home of a PE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::registrar) enum Verdict {
    /// Believe it.
    Accept,
    /// It is ours, as far as we know: the PE is asked.
    Contest,
    /// It is so already, and who says it is not its home: there is nothing to learn.
    Known,
    /// It is ours, and we suggested that the peer takes it.
    GiveUp,
    /// The peer has no right to say so.
    Refuse(Refusal),
}

impl Registrar {
    /// Judges an addition or update by `sender` that names `home`.
    pub(in crate::registrar) fn verdict(&self, sender: ServerId, slot: Option<Slot>, home: ServerId) -> Verdict {
        let current = slot.and_then(|slot| self.handlespace.element(slot)).map(|element| element.home());
        let (Some(current), Some(slot)) = (current, slot) else {
            // New: the sender's own, or handed over to us.
            return accept_if(home == sender || home == self.id, Refusal::NotHome);
        };
        match current {
            // Its home speaks, perhaps to hand it over to somebody we know.
            _ if current == sender => {
                let known = home == self.id || home == sender || self.enrp.peers.is_alive(home);
                accept_if(known, Refusal::UnknownHome)
            }
            _ if home == current => Verdict::Known,
            _ if home != sender => Verdict::Refuse(Refusal::NotHome),
            // Whoever took over its home may not even know it.
            _ if current != self.id => {
                let is_free = !self.enrp.peers.is_alive(current) || self.enrp.inherited.contains(slot);
                accept_if(is_free, Refusal::HomeLives)
            }
            _ if self.enrp.suggested.is_to(slot, sender) => Verdict::GiveUp,
            _ => Verdict::Contest,
        }
    }
}

fn accept_if(right: bool, refusal: Refusal) -> Verdict {
    if right { Verdict::Accept } else { Verdict::Refuse(refusal) }
}
