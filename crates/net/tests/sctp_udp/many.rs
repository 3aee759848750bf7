// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many associations at the same time.

use bytes::Bytes;
use machine::association::{Event, Token};

use crate::common::{connect, listen, message, process, within};

/// Both ends are in this process, so what it grows by is both ends' share.
#[tokio::test]
async fn a_thousand_associations_echo_and_take_few_kilobytes_each() {
    const COUNT: usize = 1000;
    let listener = listen(&process(), "127.0.0.1:0");
    let to = listener.local_addr();
    let client = process();
    let before = resident();
    tokio::spawn(async move {
        loop {
            let mut server = listener.accept().await;
            tokio::spawn(async move {
                loop {
                    match server.next().await {
                        Event::Message { sequence, data, .. } => {
                            server.taken(sequence);
                            server.send(0, 11, false, Token(sequence), data).unwrap();
                        }
                        Event::Lost(_) => return,
                        _ => {}
                    }
                }
            });
        }
    });
    let mut all = Vec::new();
    for number in 0..COUNT {
        let mut association = connect(&client, to);
        association.send(0, 11, false, Token(0), Bytes::from(number.to_be_bytes().to_vec())).unwrap();
        all.push(association);
    }
    for (number, association) in all.iter_mut().enumerate() {
        assert!(matches!(within(association.next()).await, Event::Up(_)));
        assert_eq!(message(association).await, number.to_be_bytes());
    }
    let each = (resident().saturating_sub(before)) / COUNT;
    eprintln!("{each} bytes for both ends of an association");
    assert!(each < 40 << 10, "{each} bytes");
}

/// Bytes of memory this process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
