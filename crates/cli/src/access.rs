// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of every subcommand that speaks ASAP: which registrars, which profile.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rserpool::{PoolUrl, PoolUser, PoolUserBuilder, Profile, Transport};

use crate::control;
use crate::exit::Exit;

/// Without them `RSERPOOL_REGISTRARS`, `RSERPOOL_PROFILE` and `/etc/rserpool/client.toml` count.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Access {
    /// A registrar to ask; several times, or a list with commas, for several [env: RSERPOOL_REGISTRARS] [default: as in client.toml, or one on this
    /// host or one that announces itself]
    #[arg(long = "registrar", value_name = "HOST[:PORT]", value_delimiter = ',')]
    registrars: Vec<String>,
    /// Over what: auto (SCTP, the kernel's or else over UDP, and TCP), sctp (the kernel's), sctp-udp or tcp [env: RSERPOOL_TRANSPORT] [default: as in
    /// client.toml, or auto]
    #[arg(long, value_name = "NAME")]
    transport: Option<Transport>,
    /// Timers and limits: standard, rfc, rsplib or fast [env: RSERPOOL_PROFILE] [default: as in client.toml, or standard]
    #[arg(long)]
    profile: Option<Profile>,
}

impl Access {
    /// A pool user that asks the registrars of the URL, of the options, or the configured ones.
    pub(crate) async fn user(&self, url: &PoolUrl) -> rserpool::Result<PoolUser> {
        self.builder(url).build().await
    }

    /// The same for a program that lasts: it shows its sessions and pool elements on a control socket.
    pub(crate) async fn serving_user(&self, url: &PoolUrl) -> rserpool::Result<PoolUser> {
        let builder = self.builder(url);
        match control::default_directory() {
            Ok(directory) => builder.control_dir(directory),
            Err(_) => builder,
        }
        .build()
        .await
    }

    fn builder(&self, url: &PoolUrl) -> PoolUserBuilder {
        let mut builder = PoolUser::builder();
        if let Some(profile) = self.profile {
            builder = builder.profile(profile);
        }
        if let Some(transport) = url.transport.or(self.transport) {
            builder = builder.transport(transport);
        }
        let registrars = if url.registrars.is_empty() { &self.registrars } else { &url.registrars };
        for registrar in registrars {
            builder = builder.registrar(registrar);
        }
        builder
    }
}

/// Waits for `work` of this pool user, but not longer than `limit`.
pub(crate) async fn within<T, E>(
    limit: Duration,
    what: &str,
    user: &PoolUser,
    work: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T>
where
    E: Into<anyhow::Error>,
{
    if let Ok(result) = tokio::time::timeout(limit, work).await {
        return result.map_err(Into::into);
    }
    match user.missing_registrar().await {
        // More time is no help where nobody answers.
        Some(error) => Err(error.into()),
        None => Err(anyhow!("{what} took longer than {limit:?}: give a longer --timeout")).context(Exit::Timeout),
    }
}
