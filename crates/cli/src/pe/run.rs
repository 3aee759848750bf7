// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pe run`: a pool element with a built-in service, or any server at all.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use rserpool::{Mapping, PeId, Policy, PoolElement, PoolElementBuilder, PoolUrl};

use super::events::Events;
use super::legacy;
use super::service::{Service, Work};
use crate::access::Access;
use crate::duration;
use crate::exit::Exit;
use crate::output::Output;
use crate::stop::Stop;

/// Run a pool element with a built-in service, or keep any server in a pool
///
/// A built-in service is echo (sends back what comes), discard (takes what comes), daytime (says date and time, and ends) or pingpong (numbers what
/// comes, and goes on numbering at the next server). SIGTERM or SIGINT drains it: it leaves the pool, its sessions finish what is outstanding and move to other elements, and it ends
/// when they have gone, at the latest after drain_timeout. A second signal ends it at once.
///
/// With --port it runs a command that knows nothing of pools, and registers the port it serves (NO_MAPPING: pool users are told address and port,
/// and connect by themselves). The command is in the pool while its checks succeed; without a check, while the port accepts connections. SIGTERM or
/// SIGINT takes it out of the pool, gives it --drain-time to finish with its clients, then sends it SIGTERM, and SIGKILL after --stop-time; each
/// further signal skips a step. SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on. What it prints goes where our own output goes; what happens to it
/// is told on standard error. We end with its exit code.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The pool to join: HANDLE or pool://REGISTRAR/HANDLE
    #[arg(long, value_name = "HANDLE")]
    pool: PoolUrl,
    /// The pool's policy: rr, wrr, rand, wrand, prio, lu, lud, plu or rlu
    #[arg(long, default_value = "rr")]
    policy: Policy,
    /// Weight (wrr, wrand) or priority (prio)
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// Load from 0 to 1 (lu, lud, plu, rlu)
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    load: Option<f64>,
    /// What pool users can use: sctp, tcp or several; each further one is registered in a pool of its own [default: sctp, or tcp where there is no SCTP]
    #[arg(long = "mapping", value_name = "NAME", value_delimiter = ',', conflicts_with = "port")]
    mappings: Vec<Mapping>,
    /// Where to listen, with --port for registrars only; over SCTP there may be several addresses with one port, separated by commas [default: any free port of all addresses]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// PE identifier in hexadecimal [default: random]
    #[arg(long, value_name = "HEX", value_parser = pe_id)]
    id: Option<PeId>,
    #[command(flatten)]
    access: Access,
    /// How long answering a request takes
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0ms", conflicts_with = "port")]
    service_time: Duration,
    /// Whether answers acknowledge their requests, so that pool users send again what was not answered
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    acks: bool,
    /// Take user data on a listener of its own, apart from control; pool users need --separate-control, to others it is a server without mapping
    #[arg(long, conflicts_with = "port")]
    separate_control: bool,
    /// A file of keys that seal state cookies, so that pool users cannot forge them: a line a key, NUMBER:64 hexadecimal digits, the one in use
    /// first; all elements of a pool have the same
    #[arg(long, value_name = "FILE", conflicts_with = "port")]
    cookie_key: Option<PathBuf>,
    /// How to print what happens: a line for each event in every form
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    legacy: legacy::Options,
    /// echo, discard, daytime or pingpong; with --port a command and its arguments
    #[arg(required = true, value_name = "SERVICE")]
    words: Vec<OsString>,
}

impl Args {
    /// The built-in service that is named.
    fn service(&self) -> anyhow::Result<Service> {
        let [word] = self.words.as_slice() else { bail!("a command needs --port, the port it serves") };
        let word = word.to_string_lossy();
        Service::from_str(&word, false).map_err(|_| {
            let all: Vec<_> = Service::value_variants()
                .iter()
                .filter_map(|it| Some(it.to_possible_value()?.get_name().to_owned()))
                .collect();
            anyhow!("\"{word}\" is no service: use {}, or give the --port a command serves", all.join(", "))
        })
    }
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let policy = policy(args).context(Exit::Usage)?;
    if let Some(served) = args.legacy.served() {
        args.legacy.fits(policy).context(Exit::Usage)?;
        let command = legacy::Command { args: &args.legacy, served, words: &args.words, output: args.output };
        let (pool, id, listen) = (args.pool.pool.clone(), args.id, args.listen.clone());
        let user = args.access.serving_user(&args.pool).await?;
        return legacy::run(command, user, pool, id, listen, policy).await;
    }
    let service = args.service().context(Exit::Usage)?;
    let user = args.access.serving_user(&args.pool).await?;
    let mut builder = PoolElement::builder(args.pool.pool.clone()).user(&user).policy(policy);
    if let Some(listen) = &args.listen {
        builder = builder.listen(listen);
    }
    if args.mappings.contains(&Mapping::None) {
        return Err(anyhow!("the built-in services need a mapping: use sctp, tcp or both")).context(Exit::Usage);
    }
    if !args.mappings.is_empty() {
        builder = builder.mappings(args.mappings.iter().copied());
    }
    if let Some(id) = args.id {
        builder = builder.id(id);
    }
    if args.acks {
        builder = builder.acks();
    }
    if args.separate_control {
        builder = builder.separate_control();
    }
    if let Some(file) = &args.cookie_key {
        let keys = rserpool::read_cookie_keys(file).context(Exit::Usage)?;
        if keys.is_empty() {
            return Err(anyhow!("{}: there is no key in it", file.display())).context(Exit::Usage);
        }
        builder = keys.into_iter().fold(builder, PoolElementBuilder::cookie_key);
    }
    let events = Events { output: args.output, to_stderr: false };
    // Before it says that it is there: whoever hears that may ask it to leave.
    let mut signals = Stop::catch()?;
    let pe = tokio::select! {
        pe = builder.register() => Arc::new(pe.map_err(usage)?),
        // Registering undoes itself.
        how = signals.asked() => bail!("{how} before it had joined the pool"),
    };
    let home = pe.home_registrar();
    events.registered(&pe);
    let following = tokio::spawn(follow_home(Arc::clone(&pe), home, events));

    let work = Work(args.service_time);
    let leaving = Arc::clone(&pe);
    let stop = async move {
        signals.asked().await;
        events.draining(leaving.sessions());
        tokio::spawn(async move {
            signals.asked().await;
            std::process::exit(Exit::Failed as i32);
        });
    };
    pe.serve_until(stop, |session| async move {
        events.session_opened(&session);
        let mut requests = 0;
        let result = service.serve(&session, work, &mut requests).await;
        events.session_closed(&session, requests, &result);
        Ok(())
    })
    .await?;
    following.abort();
    events.left();
    Ok(())
}

/// That this process has no such mapping is a mistake of the command line.
fn usage(error: rserpool::Error) -> anyhow::Error {
    match error {
        rserpool::Error::NotAvailable { .. } => anyhow!(error).context(Exit::Usage),
        error => error.into(),
    }
}

/// Says when another registrar has become its home.
async fn follow_home(pe: Arc<PoolElement>, mut home: Option<SocketAddr>, events: Events) {
    while let Some(now) = pe.home_other_than(home).await {
        events.rehomed(pe.handle(), now);
        home = Some(now);
    }
}

fn policy(args: &Args) -> anyhow::Result<Policy> {
    let mut policy = args.policy;
    if let Some(weight) = args.weight {
        if policy.weight().is_none() {
            return Err(anyhow!("this policy has no weight: leave --weight out, or use wrr, wrand or prio"));
        }
        policy = policy.with_weight(weight);
    }
    if let Some(load) = args.load {
        if policy.load().is_none() {
            return Err(anyhow!("this policy has no load: leave --load out, or use lu, lud, plu or rlu"));
        }
        policy = policy.with_load(load);
    }
    Ok(policy)
}

pub(super) fn fraction(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|load| (0.0..=1.0).contains(load)).ok_or_else(|| "a number from 0 to 1 is expected".into())
}

pub(super) fn pe_id(text: &str) -> Result<PeId, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    match u32::from_str_radix(digits, 16) {
        Ok(id) if id != 0 && !digits.starts_with('+') => Ok(PeId(id)),
        _ => Err("1 to 8 hexadecimal digits, not all 0, are expected".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pe_identifiers_are_hexadecimal_with_or_without_0x() {
        assert_eq!(pe_id("0xCafe"), Ok(PeId(0xcafe)));
        assert_eq!(pe_id("00000001"), Ok(PeId(1)));
        for wrong in ["", "0", "0x", "+1", "-1", "123456789", "echo"] {
            assert!(pe_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_load_is_a_fraction() {
        assert_eq!(fraction("0.5"), Ok(0.5));
        for wrong in ["-0.1", "1.1", "NaN", "half"] {
            assert!(fraction(wrong).is_err(), "{wrong}");
        }
    }
}
