// SPDX-License-Identifier: MIT OR Apache-2.0
//! Echo client: sends the lines of standard input and prints the answers. It outlives every server but the last.

use rserpool::Outgoing;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> rserpool::Result<()> {
    let session = rserpool::connect("pool://echo").await?;
    let sending = async {
        let mut lines = BufReader::new(stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            session.send(Outgoing::new(line + "\n").ack()).await?;
        }
        // Waits until every line is answered.
        session.close().await
    };
    let receiving = async {
        while let Some(answer) = session.recv_data().await? {
            print!("{}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    };
    tokio::try_join!(sending, receiving).map(drop)
}
