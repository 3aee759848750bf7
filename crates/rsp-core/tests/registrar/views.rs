// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a script sees of the registrar's state.

use std::error::Error;
use std::fmt::Write;

use rsp_core::registrar::PeerState;
use rsp_wire::PoolHandle;
use sim::registrar_harness::RegistrarHarness;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(crate) fn pools(harness: &RegistrarHarness) -> String {
    let mut pools: Vec<_> = harness.registrar.pools().collect();
    pools.sort_by(|a, b| a.handle.cmp(&b.handle));
    let lines = pools.iter().map(|pool| format!("{}: {} PEs, {}", pool.handle, pool.pool_elements, pool.policy));
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn pool(harness: &RegistrarHarness, handle: &PoolHandle) -> Result<String> {
    let Some((_, mut members)) = harness.registrar.pool(handle, harness.now()) else {
        return Ok("no such pool".into());
    };
    members.sort_by_key(|member| member.element.id);
    let mut output = String::new();
    for member in members {
        writeln!(output, "{}", member.element)?;
        if let Some(life) = member.life_left {
            writeln!(output, "   life left {life:?}")?;
        }
        if let Some(reached) = member.reached {
            writeln!(
                output,
                "   reached over association {}{}{}, silent for {:?}, reports {}",
                reached.association.0,
                if reached.up { "" } else { " (connecting)" },
                if reached.keep_alive_pending { ", keep-alive pending" } else { "" },
                reached.silent_for,
                reached.reports
            )?;
        }
    }
    Ok(output)
}

pub(crate) fn counts(harness: &RegistrarHarness) -> String {
    let registrar = &harness.registrar;
    format!(
        "{} pools, {} PEs, {} associations, {} subscriptions",
        registrar.pool_count(),
        registrar.pool_element_count(),
        registrar.association_count(),
        registrar.subscription_count()
    )
}

pub(crate) fn status(harness: &RegistrarHarness) -> String {
    let status = harness.registrar.status();
    let mut output = format!(
        "registrar {}, {}{}, owns {} PEs, checksum {}",
        status.id,
        if status.started { "started" } else { "starting" },
        if status.leaving { ", leaving" } else { "" },
        status.owned,
        status.checksum
    );
    for (number, what) in [(status.claims, "claims"), (status.takeovers, "takeovers")] {
        if number > 0 {
            output.push_str(&format!(", {number} {what}"));
        }
    }
    output
}

pub(crate) fn peers(harness: &RegistrarHarness) -> String {
    let mut output = String::new();
    for peer in harness.registrar.peers(harness.now()) {
        let state = match peer.state {
            PeerState::Active => "active".to_owned(),
            PeerState::Probed { until, .. } => format!("asked, dead at {until}"),
            PeerState::Dead { start } => format!("dead, takeover at {start}"),
            PeerState::TakenOver => "being taken over by us".to_owned(),
            PeerState::Granted { to, until } => format!("not active, left to {to} until {until}"),
        };
        let place = peer.reached.map_or("nowhere".to_owned(), |(protocol, at)| format!("{protocol:?} {at:?}"));
        let _ = writeln!(
            output,
            "{} at {place}, {state}, {}, silent for {:?}, {} PEs, checksum {}{}{}",
            peer.id,
            if peer.connected { "connected" } else { "not connected" },
            peer.silent_for,
            peer.owned,
            peer.checksum,
            if peer.agrees == Some(false) { ", disagreed" } else { "" },
            if peer.resynchronizing { ", resynchronizing" } else { "" }
        );
    }
    if output.is_empty() { "no peers".to_owned() } else { output }
}
