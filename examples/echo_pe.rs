// SPDX-License-Identifier: MIT OR Apache-2.0
//! Echo server. Start as many as you like.

use rserpool::{Policy, PoolElement};

#[tokio::main]
async fn main() -> rserpool::Result<()> {
    let pe = PoolElement::builder("echo").policy(Policy::RoundRobin).acks().register().await?;
    println!("{} serves at {}", pe.handle().id, pe.handle().addrs[0]);
    pe.serve(|session| async move {
        while let Some(message) = session.recv_data().await? {
            message.reply(message.data().clone()).await?;
        }
        Ok(())
    })
    .await
}
