// SPDX-License-Identifier: MIT OR Apache-2.0
//! From start to stop.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use daemon::admin::{AdminServer, Readiness};
use daemon::signals::StopSignals;
use machine::association::Heartbeat;
use net::{Listener, Options};
use rsp_core::config::RegistrarSettings;
use rsp_core::registrar::Registrar;
use rsp_wire::ServerId;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

use crate::admin::News;
use crate::args::Args;
use crate::config::{Admin, Config, Id};
use crate::ready::Ready;
use crate::shell::Shell;
use crate::{admin, listeners};

/// Serves until a signal says stop.
pub(crate) fn run(config: Config, args: &Args) -> Result<()> {
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
    let listeners = listeners::open(&config.asap, options)?;
    let admin = match config.admin {
        Admin::Off => None,
        Admin::At(address) => Some(AdminServer::bind(address)?),
    };
    let id = config.id.map_or_else(random_id, |Id(id)| ServerId(id));
    let local_addresses = net::host_addresses().context("cannot list this host's addresses")?;
    let registrar = Registrar::new(id, config.settings, local_addresses, random());
    let news = News::new();
    let shell = Shell::start(registrar, options, news.clone());

    let ready = Ready {
        asap: listeners.iter().map(Listener::local_addr).collect(),
        admin: admin.as_ref().map(AdminServer::address),
    };
    let readiness = Readiness::default();
    if let Some(admin) = admin {
        let (asker, questions) = mpsc::channel(MOST_QUESTIONS);
        tokio::task::spawn_local(Rc::clone(&shell).answer(questions));
        admin.serve(admin::routes(asker, news), readiness.clone())?;
    }
    let listening: Vec<_> =
        listeners.into_iter().map(|listener| tokio::task::spawn_local(Rc::clone(&shell).accept(listener))).collect();
    readiness.set(true);
    tracing::info!(%id, profile = %config.profile, asap = ?ready.asap, admin = ?ready.admin, "registrar ready");
    daemon::systemd::ready(&format!("serving ASAP on {:?}", ready.asap));
    if args.announce_ready {
        ready.announce();
    }

    let signal = signals.next().await;
    tracing::info!(signal, "stopping");
    daemon::systemd::stopping();
    readiness.set(false);
    listening.iter().for_each(tokio::task::JoinHandle::abort);
    shell.close(STOP_PATIENCE).await;
    Ok(())
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
