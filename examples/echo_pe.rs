// SPDX-License-Identifier: MIT OR Apache-2.0
//! Echo server. Start as many as you like; Ctrl-C or SIGTERM moves its sessions to others and takes it out of the pool.

use rserpool::{Policy, PoolElement};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> rserpool::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    let pe = PoolElement::builder("echo").policy(Policy::RoundRobin).acks().register().await?;
    println!("{} serves at {}", pe.handle().id, pe.handle().addrs[0]);
    pe.serve_until(stop, |session| async move {
        while let Some(message) = session.recv_data().await? {
            message.reply(message.data().clone()).await?;
        }
        Ok(())
    })
    .await
}
