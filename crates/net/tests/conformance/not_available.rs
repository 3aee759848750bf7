// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mapping lacks it says, by its type (seed 004 §5.2.2 and §5.2.3), and what it has works.

use std::time::Duration;

use machine::association::{Mapping, Token};
use net::{Feature, Message, NotAvailable, SendError};

use crate::BackEnd;
use crate::pair::{Pair, block_on, delivered, pair, payload, receive, rest, within};
use crate::runner::tests;

tests![a_lifetime_is_refused_where_there_is_none_and_nothing_is_sent, paths_are_told_where_they_are_known];

fn a_lifetime_is_refused_where_there_is_none_and_nothing_is_sent(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        let with_lifetime = |token| Message {
            stream: 0,
            ppid: 7,
            unordered: false,
            lifetime: Some(Duration::from_secs(60)),
            token: Token(token),
            data: payload(1, 100),
        };
        let result = client.send_message(with_lifetime(1));
        if !back_end.has_what_tcp_lacks() {
            let refused = NotAvailable { feature: Feature::Lifetime, mapping: Mapping::Tcp };
            assert_eq!(result, Err(SendError::NotAvailable(refused)));
            assert_eq!((client.outstanding(), client.buffered()), (0, 0));
            client.send_message(Message { lifetime: None, ..with_lifetime(1) }).expect("without it can be sent");
        } else {
            assert_eq!(result, Ok(()));
        }
        let receiving = async {
            assert_eq!(receive(&mut server).await.data, payload(1, 100));
            rest(&mut server).await
        };
        let sending = async {
            assert_eq!(delivered(&mut client, 1).await, [Token(1)]);
            client.finish().await
        };
        within(async { tokio::join!(receiving, sending) }).await;
    });
}

fn paths_are_told_where_they_are_known(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, server: _server, .. } = pair(back_end).await;
        let to = client.peer_addr();
        if !back_end.has_what_tcp_lacks() {
            let refused = NotAvailable { feature: Feature::Paths, mapping: Mapping::Tcp };
            assert_eq!(client.paths(), Err(refused));
            assert_eq!(client.set_primary(to), Err(refused));
            assert_eq!(refused.to_string(), "path information is not available on the TCP mapping");
            return;
        }
        let paths = client.paths().expect("SCTP knows its paths");
        assert!(paths.iter().any(|path| path.address == to && path.primary), "{paths:?}");
        assert_eq!(client.set_primary(to), Ok(()));
    });
}
