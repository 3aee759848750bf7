// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel tells of an association (RFC 6458 §6).

use std::net::SocketAddr;

use machine::association::PathState;

use super::layout::{address_at, i32_at, u16_at, u32_at};

/// A notification, as far as we have a use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notification {
    /// SCTP_ASSOC_CHANGE: SCTP_COMM_UP.
    Up { association: i32, outbound_streams: u16 },
    /// SCTP_COMM_LOST. With the peer's ABORT, or for want of an answer.
    Lost { association: i32, aborted: bool },
    /// SCTP_RESTART: the same association, begun anew by the peer.
    Restarted { association: i32, outbound_streams: u16 },
    /// SCTP_SHUTDOWN_COMP: an orderly end.
    Ended { association: i32 },
    /// SCTP_CANT_STR_ASSOC.
    CannotStart,
    /// SCTP_PEER_ADDR_CHANGE.
    Path { address: SocketAddr, state: PathState },
    /// SCTP_SEND_FAILED_EVENT: a piece of the message that was sent with this context.
    SendFailed { context: u32 },
    /// SCTP_SHUTDOWN_EVENT: the peer takes no more messages.
    Shutdown,
    /// SCTP_PARTIAL_DELIVERY_EVENT: the rest of a message will not come.
    PartialDeliveryAborted,
    /// SCTP_SENDER_DRY_EVENT: nothing that was sent waits for the peer.
    Dry,
    /// Of no use to us, or not understood.
    Other,
}

impl Notification {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self::read(bytes).unwrap_or(Notification::Other)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(match u16_at(bytes, 0)? {
            ASSOC_CHANGE => {
                let (state, outbound_streams, association) =
                    (u16_at(bytes, 8)?, u16_at(bytes, 12)?, i32_at(bytes, 16)?);
                match state {
                    COMM_UP => Notification::Up { association, outbound_streams },
                    // Behind the structure stands the ABORT chunk that was received, if there was one.
                    COMM_LOST => Notification::Lost { association, aborted: bytes.len() > ASSOC_CHANGE_LEN },
                    RESTART => Notification::Restarted { association, outbound_streams },
                    SHUTDOWN_COMP => Notification::Ended { association },
                    CANT_STR_ASSOC => Notification::CannotStart,
                    _ => Notification::Other,
                }
            }
            PEER_ADDR_CHANGE => {
                let state = match u32_at(bytes, 136)? {
                    0 => PathState::Available,
                    1 => PathState::Unreachable,
                    2 => PathState::Removed,
                    3 => PathState::Added,
                    4 => PathState::Primary,
                    5 => PathState::Confirmed,
                    _ => return None,
                };
                Notification::Path { address: address_at(bytes, 8)?, state }
            }
            SEND_FAILED_EVENT => Notification::SendFailed { context: u32_at(bytes, 20)? },
            SHUTDOWN_EVENT => Notification::Shutdown,
            PARTIAL_DELIVERY_EVENT => Notification::PartialDeliveryAborted,
            SENDER_DRY_EVENT => Notification::Dry,
            _ => return None,
        })
    }
}

/// All that a socket of ours wants to hear.
pub(super) const WANTED: [u16; 6] =
    [ASSOC_CHANGE, PEER_ADDR_CHANGE, SEND_FAILED_EVENT, SHUTDOWN_EVENT, PARTIAL_DELIVERY_EVENT, SENDER_DRY_EVENT];

const ASSOC_CHANGE: u16 = 0x8001;
const PEER_ADDR_CHANGE: u16 = 0x8002;
const SHUTDOWN_EVENT: u16 = 0x8005;
const PARTIAL_DELIVERY_EVENT: u16 = 0x8006;
/// Asking for it again while nothing is in flight makes the kernel say so once more (RFC 6458 §6.1.9).
pub(super) const SENDER_DRY_EVENT: u16 = 0x8009;
const SEND_FAILED_EVENT: u16 = 0x800d;

const COMM_UP: u16 = 0;
const COMM_LOST: u16 = 1;
const RESTART: u16 = 2;
const SHUTDOWN_COMP: u16 = 3;
const CANT_STR_ASSOC: u16 = 4;

/// `struct sctp_assoc_change` without what follows it.
const ASSOC_CHANGE_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use super::super::layout::Fields;
    use super::*;

    #[test]
    fn a_notification_cut_short_is_none_of_ours() {
        let up = Fields::<20>::new().u16(0, ASSOC_CHANGE).u16(12, 10).u32(16, 7);
        assert_eq!(Notification::parse(up.bytes()), Notification::Up { association: 7, outbound_streams: 10 });
        let path = Fields::<148>::new()
            .u16(0, PEER_ADDR_CHANGE)
            .address(8, "192.0.2.2:9901".parse().unwrap())
            .u32(136, 1)
            .u32(144, 7);
        let address = "192.0.2.2:9901".parse().unwrap();
        assert_eq!(Notification::parse(path.bytes()), Notification::Path { address, state: PathState::Unreachable });
        for length in 0..20 {
            assert_eq!(Notification::parse(&up.bytes()[..length]), Notification::Other);
        }
        for length in 0..140 {
            assert_eq!(Notification::parse(&path.bytes()[..length]), Notification::Other);
        }
    }

    #[test]
    fn an_abort_is_told_from_silence_by_the_chunk_that_follows() {
        let lost = Fields::<24>::new().u16(0, ASSOC_CHANGE).u16(8, COMM_LOST).u32(16, 3);
        assert_eq!(Notification::parse(lost.bytes()), Notification::Lost { association: 3, aborted: true });
        assert_eq!(Notification::parse(&lost.bytes()[..20]), Notification::Lost { association: 3, aborted: false });
    }
}
