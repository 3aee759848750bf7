// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool element of the demo: answers each request after 1 ms of service time, with the acknowledgement in the answer.

use std::time::Duration;

use rserpool::{Config, Policy, PoolElement, PoolUser, Profile, Transport};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

use super::workload;

/// One pool element of the demo
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long = "registrar", required = true)]
    registrars: Vec<String>,
    #[arg(long, default_value = "tcp")]
    transport: Transport,
    #[arg(long)]
    listen: String,
    #[arg(long)]
    advertise: std::net::SocketAddr,
    #[arg(long)]
    id: u32,
    #[arg(long)]
    weight: u32,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(serve(args));
    // A read of standard input may still be going on.
    runtime.shutdown_background();
    result
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    let mut config = Config::of(Profile::Fast);
    // A registrar that lives answers, be it late: this machine does other things, too.
    config.endpoint.t2_registration = PATIENCE;
    // Before it says that it is there: whoever hears that may ask it to leave.
    let mut terminate = signal(SignalKind::terminate())?;
    let builder = PoolUser::builder().config(config).transport(args.transport);
    let user = args.registrars.iter().fold(builder, |builder, registrar| builder.registrar(registrar)).build().await?;
    let pe = PoolElement::builder(POOL)
        .user(&user)
        .id(rserpool::PeId(args.id))
        .policy(Policy::WeightedRoundRobin { weight: args.weight })
        .listen(&args.listen)
        .advertise([args.advertise])
        .acks()
        .register()
        .await?;
    println!("{{\"registered\":{}}}", args.id);

    let leave = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            () = orphaned() => std::process::exit(0),
        }
    };
    pe.serve_until(leave, |session| async move {
        while let Some(request) = session.recv_data().await? {
            tokio::time::sleep(SERVICE_TIME).await;
            // The outcome is not awaited: the next request is.
            drop(
                request
                    .reply(rserpool::Outgoing::new(workload::answer(&request, request.resent())).ppid(workload::PPID))
                    .await?,
            );
        }
        Ok(())
    })
    .await?;
    Ok(())
}

/// Ready when standard input ends: the demo is gone.
pub(crate) async fn orphaned() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    while !matches!(stdin.read(&mut buffer).await, Ok(0) | Err(_)) {}
}

/// The demo's pool.
pub(crate) const POOL: &str = "demo";
/// How long the answer to a registration may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a request costs its server.
const SERVICE_TIME: Duration = Duration::from_millis(1);
