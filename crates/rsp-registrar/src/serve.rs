// SPDX-License-Identifier: MIT OR Apache-2.0
//! From start to stop.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use daemon::admin::{AdminServer, Readiness};
use daemon::signals::StopSignals;
use machine::association::{Heartbeat, Protocol};
use net::{KernelSettings, Options, SctpBackend, Transports};
use rsp_core::config::{Profile, RegistrarSettings, SctpSettings};
use rsp_core::registrar::{Input, Registrar};
use rsp_wire::ServerId;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::args::Args;
use crate::config::{Admin, Config, Id};
use crate::listeners::{Served, Taken, Taker};
use crate::multicast::Announcers;
use crate::ready::Ready;
use crate::shell::Shell;
use crate::{admin, listeners, peers};

/// Serves until a signal says stop.
pub(crate) fn run(config: Config, args: &Args) -> Result<()> {
    if args.die_with_parent {
        daemon::limits::die_with_parent().context("cannot follow the process that started it")?;
    }
    daemon::limits::raise_open_files();
    // One thread: the handlespace is one structure that every message reads or changes, and no lock is faster than any.
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = runtime.context("cannot start")?;
    let result = runtime.block_on(serve(config, args));
    // The sockets are closed by the kernel; nobody waits for what still runs.
    runtime.shutdown_background();
    result
}

async fn serve(config: Config, args: &Args) -> Result<()> {
    let mut signals = StopSignals::catch().context("cannot catch signals")?;
    let options = options(&config.settings);
    let transports = config.transport.start_with(Some(config.encapsulation_port), kernel(config.settings.sctp))?;
    let protocols = config.transport.protocols(&transports);
    // All ports are taken first, so that one in use is reported at once, whatever the other registrars do.
    let taker = Taker { transports: &transports, protocols: &protocols, options };
    let asap = taker.asap(&config.asap)?;
    // RSPLIB's registrars know no TCP: where there is SCTP, ENRP has nothing else in its company.
    let among_registrars = match config.profile == Profile::Rsplib && transports.sctp().is_some() {
        true => &protocols[..1],
        false => &protocols[..],
    };
    let enrp = Taker { protocols: among_registrars, ..taker }.enrp(&config.enrp, &config.asap)?;
    let served: Ports = (asap.iter().map(Taken::served).collect(), enrp.iter().map(Taken::served).collect());
    let admin = match config.admin {
        Admin::Off => None,
        Admin::At(address) => {
            let bound = AdminServer::bind(address);
            Some(if args.admin_from_environment() { bound.context("from RSERPOOL_ADMIN")? } else { bound? })
        }
    };
    let mut ready = Ready {
        asap: listeners::addresses(&served.0),
        admin: admin.as_ref().map(AdminServer::address),
        enrp: listeners::addresses(&served.1),
        id: String::new(),
        transports: names(&protocols, transports.sctp()),
    };
    let shell = start(config.clone(), transports, options, &ready, served).await?;
    let readiness = Readiness::default();
    if let Some(admin) = admin {
        let (asker, questions) = mpsc::channel(MOST_QUESTIONS);
        tokio::task::spawn_local(Rc::clone(&shell).answer(questions));
        let served = admin::Served { asap: ready.asap.clone(), enrp: ready.enrp.clone() };
        admin.serve(admin::routes(asker, shell.news(), served), readiness.clone())?;
    }
    let peers = accept(&shell, enrp)?;

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
    //# When the last ENRP_HANDLE_TABLE_RESPONSE message is received from
    //# the mentor peer and unpacked into the local handlespace, the
    //# initialization process is completed and the initiating server
    //# SHOULD start to provide ENRP services.
    let stopped = tokio::select! {
        () = shell.started.notified() => None,
        signal = signals.next() => Some(signal),
    };
    let mut serving = Vec::new();
    let signal = match stopped {
        Some(signal) => signal,
        None => {
            serving = accept(&shell, asap)?;
            readiness.set(true);
            ready.id = shell.id().to_string();
            let Ready { asap, admin, enrp, id, transports } = &ready;
            tracing::info!(%id, profile = %config.profile, ?transports, ?asap, ?enrp, ?admin, "registrar ready");
            daemon::systemd::ready(&format!("serving ASAP on {asap:?}"));
            if args.announce_ready {
                ready.announce();
            }
            signals.next().await
        }
    };
    tracing::info!(signal, "stopping");
    daemon::systemd::stopping();
    readiness.set(false);
    serving.iter().for_each(JoinHandle::abort);
    tokio::select! {
        () = leave(&shell, &peers) => {}
        signal = signals.next() => tracing::warn!(signal, "stopping at once"),
    }
    Ok(())
}

/// The registrar with all it must know before it does anything.
async fn start(
    config: Config,
    transports: Transports,
    options: Options,
    ready: &Ready,
    (asap, enrp): Ports,
) -> Result<Rc<Shell>> {
    let id = config.id.map_or_else(random_id, |Id(id)| ServerId(id));
    let host = net::host_addresses().context("cannot list this host's addresses")?;
    let found = peers::first_look_up(&config.peers, config.settings.enrp.mentor_discovery_timeout).await;
    let unresolved = found.unresolved();
    let peers = found.addresses;
    let (announcers, channels) = Announcers::join(&config, &ready.asap, &ready.enrp);
    let asap: Vec<Served> = match config.profile == Profile::Rsplib && transports.sctp().is_some() {
        // RSPLIB's pool elements and users know no TCP either, and take an announcement with it for a bad one.
        true => asap.into_iter().filter(|it| it.protocol == Protocol::Sctp).collect(),
        false => asap,
    };
    let registrar = Registrar::new(id, config.settings, host.clone(), random());
    let shell = Shell::start(registrar, transports, options, announcers);
    shell.unresolved.replace(unresolved);
    shell.input(Input::EnrpTransports(listeners::enrp_transports(&enrp)));
    shell.input(Input::AsapTransports(listeners::asap_transports(&asap, &host)));
    shell.input(Input::StaticPeers(peers.clone()));
    for channel in channels {
        tokio::task::spawn_local(channel.run(Rc::clone(&shell)));
    }
    tokio::task::spawn_local(peers::follow(Rc::clone(&shell), config.peers, peers));
    tokio::task::spawn_local(listeners::follow_host(Rc::clone(&shell), asap, host));
    Ok(shell)
}

/// Accepts associations on these ports from here on.
fn accept(shell: &Rc<Shell>, ports: Vec<Taken>) -> Result<Vec<JoinHandle<()>>> {
    let accept = |taken: Taken| Ok(tokio::task::spawn_local(Rc::clone(shell).accept(taken.port.listen()?)));
    ports.into_iter().map(accept).collect()
}

/// Hands the pool elements over, if there is another registrar, and ends all associations.
async fn leave(shell: &Rc<Shell>, peers: &[JoinHandle<()>]) {
    shell.input(Input::Leave);
    shell.left.notified().await;
    // A peer that asks whether we live is refused from here on: that is the answer.
    peers.iter().for_each(JoinHandle::abort);
    shell.close(STOP_PATIENCE).await;
}

/// Where ASAP and where ENRP is served.
type Ports = (Vec<Served>, Vec<Served>);

/// The transports served over, for the log and for whoever started us.
fn names(protocols: &[Protocol], sctp: Option<SctpBackend>) -> Vec<&'static str> {
    let name = |protocol: &Protocol| match (protocol, sctp) {
        (Protocol::Tcp, _) => "tcp",
        (Protocol::Sctp, Some(SctpBackend::Udp)) => "sctp-udp",
        (Protocol::Sctp, _) => "sctp",
    };
    protocols.iter().map(name).collect()
}

/// What the transports are told.
fn options(settings: &RegistrarSettings) -> Options {
    Options {
        connect_timeout: settings.connect_timeout,
        close_timeout: STOP_PATIENCE,
        // Nothing hurries a registrar to forget a pool user, RFC 5352 leaves pool elements to the keep-alives.
        heartbeat: Heartbeat { interval: settings.keep_alive_interval, dead_after: settings.give_up },
        max_untaken_bytes: MAX_UNTAKEN,
    }
}

/// The profile's timers for the kernel's SCTP.
fn kernel(settings: SctpSettings) -> KernelSettings {
    let most = |retrans: u32| u16::try_from(retrans).unwrap_or(u16::MAX);
    KernelSettings {
        rto_initial: settings.rto_initial,
        rto_min: settings.rto_min,
        rto_max: settings.rto_max,
        path_max_retrans: most(settings.path_max_retrans),
        association_max_retrans: most(settings.association_max_retrans),
        path_heartbeat_interval: settings.path_heartbeat_interval,
        sack_delay: settings.sack_delay,
        ..KernelSettings::default()
    }
}

fn random_id() -> ServerId {
    ServerId((random() as u32).max(1))
}

/// The standard library keys its hashers from the system's randomness.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// How long a stop waits for peers to take what was sent.
const STOP_PATIENCE: Duration = Duration::from_millis(1500);

/// Questions over admin HTTP that may wait for the registrar's thread.
const MOST_QUESTIONS: usize = 16;

/// A registrar takes a message as soon as it reads it; this is what one wake-up may bring.
const MAX_UNTAKEN: usize = 512 << 10;
