// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp dev`: registrars on loopback that know each other, until interrupted.

use std::net::SocketAddr;
use std::process::ExitStatus;

use anyhow::{Result, bail};
use rserpool::{Profile, Transport};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::cluster::{Places, Registrar};
use crate::output::{Output, print, print_json};
use crate::stop::Stop;

/// Run a cluster of registrars on this host, until interrupted
///
/// Needs no root, no configuration and no port of its own choosing. It prints where everything is, and the variables that make rsp and
/// programs with the library use it. Kill a registrar and see: the others go on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many registrars
    #[arg(short, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    registrars: u8,
    /// Timers and limits: standard, rfc, rsplib or fast
    #[arg(long, default_value = "fast")]
    profile: Profile,
    /// Over what they serve: auto (SCTP, the kernel's or else over UDP, and TCP), sctp, sctp-udp or tcp
    #[arg(long, value_name = "NAME", default_value_t)]
    transport: Transport,
    /// Put registrar N on 127.0.0.N with the standard ports 3863, 9901 and 8650 instead of any free ones: whoever asks where he always
    /// asks finds the first
    #[arg(long)]
    standard_ports: bool,
    /// Change one setting of all, e.g. keep_alive_interval=2s; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// How to print: with json, a line for each event
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let mut stop = Stop::catch()?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        result = serve(args) => result,
        // The registrars die with the future that holds them.
        _ = stop.asked() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

async fn serve(args: &Args) -> Result<()> {
    let registrars = start(args).await?;
    announce(args, &registrars)?;
    let mut running = JoinSet::new();
    for (index, mut registrar) in registrars.into_iter().enumerate() {
        running.spawn(async move { (index + 1, registrar.pid, registrar.ended().await) });
    }
    while let Some(ended) = running.join_next().await {
        let (number, pid, status) = ended?;
        tell_end(args.output, number, pid, &status?, running.len())?;
    }
    bail!("no registrar is left")
}

/// Each is told of those before it, which then know it.
async fn start(args: &Args) -> Result<Vec<Registrar>> {
    let mut flags = vec!["--profile".to_owned(), args.profile.to_string()];
    flags.extend(["--transport".to_owned(), args.transport.to_string()]);
    flags.extend(args.settings.iter().flat_map(|setting| ["--set".to_owned(), setting.clone()]));
    let log = std::env::var("RSERPOOL_LOG").unwrap_or_else(|_| "warn".to_owned());
    let mut registrars: Vec<Registrar> = Vec::new();
    for number in 1..=args.registrars {
        let places = if args.standard_ports { Places::standard(number) } else { Places::free() };
        let peers: Vec<SocketAddr> = registrars.iter().map(|registrar| registrar.places.enrp).collect();
        registrars.push(Registrar::start(places, &peers, &flags, &log).await?);
    }
    Ok(registrars)
}

fn announce(args: &Args, registrars: &[Registrar]) -> Result<()> {
    let asap: Vec<String> = registrars.iter().map(|registrar| registrar.places.asap.to_string()).collect();
    let mut variables = vec![
        ("RSERPOOL_REGISTRARS", asap.join(",")),
        ("RSERPOOL_PROFILE", args.profile.to_string()),
        ("RSERPOOL_ADMIN", registrars.iter().map(|it| it.places.admin_url()).collect::<Vec<_>>().join(",")),
    ];
    if args.transport != Transport::default() {
        variables.push(("RSERPOOL_TRANSPORT", args.transport.to_string()));
    }
    if args.output != Output::Table {
        let list: Vec<_> = registrars.iter().map(|it| json!({"id": it.id, "pid": it.pid, "asap": it.places.asap, "enrp": it.places.enrp, "admin": it.places.admin_url()})).collect();
        let variables: serde_json::Map<_, _> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        return print_json(&json!({"event": "ready", "registrars": list, "variables": variables}));
    }
    for (index, registrar) in registrars.iter().enumerate() {
        let Places { asap, enrp, .. } = registrar.places;
        let (pid, admin) = (registrar.pid, registrar.places.admin_url());
        print(&format!(
            "registrar {}  ASAP {asap}  ENRP {enrp}  admin {admin}  pid {pid}  id {}",
            index + 1,
            registrar.id
        ))?;
    }
    print("")?;
    for (name, value) in variables {
        print(&format!("export {name}={value}"))?;
    }
    eprintln!("\nrsp: with these in another shell, `rsp registrar ls` and all else uses them; Ctrl-C here ends them");
    Ok(())
}

fn tell_end(output: Output, number: usize, pid: u32, status: &ExitStatus, left: usize) -> Result<()> {
    match output {
        Output::Table => print(&format!("registrar {number} (pid {pid}) has ended: {status}; {left} left")),
        Output::Json | Output::Jsonl => print_json(
            &json!({"event": "ended", "registrar": number, "pid": pid, "status": status.to_string(), "left": left}),
        ),
    }
}
