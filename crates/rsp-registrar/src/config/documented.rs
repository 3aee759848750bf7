// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration as a file that documents every key: what `--print-config` prints and the package ships.

use std::fmt::{self, Display, Write};

use super::{Config, DEFAULT_FILE};

/// The whole file. What the profile says anyway is commented out, or a change of the profile would change nothing.
impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Config::of(self.profile);
        writeln!(f, "# Configuration of rsp-registrar, read from {DEFAULT_FILE} or the file --config names.")?;
        writeln!(f, "# A flag wins over the environment (RSERPOOL_ and the key in capitals), that over this file,")?;
        writeln!(f, "# this file over the profile. Lines that are commented out show what holds without them.")?;
        writeln!(f, "# Durations: 250ms, 2s, 5m, 1h.")?;

        f.write_str("\n# Coherent set of timers: standard, rfc (the letter of the RFCs), rsplib (lives beside RSPLIB) or fast (LANs).\n")?;
        writeln!(f, "# All registrars, pool elements and pool users of a scope have the same.")?;
        writeln!(f, "profile = \"{}\"", self.profile)?;

        f.write_str("\n# Over what ASAP and ENRP are served (docs/transports.md): auto = SCTP, the kernel's if it has it, else over UDP, and TCP\n# (TCP mapping, and plain ASAP); sctp = the kernel's alone; sctp-udp = over UDP alone; tcp = TCP alone.\n")?;
        writeln!(f, "{}transport = \"{}\"", comment(self.transport == default.transport), self.transport)?;

        f.write_str("\n# UDP port of SCTP over UDP (RFC 6951), beside the SCTP port + 10000, if it is free.\n")?;
        let port = self.encapsulation_port;
        writeln!(f, "{}encapsulation_port = {port}", comment(port == default.encapsulation_port))?;

        f.write_str("\n# Where ASAP is served, over each transport. Empty: port 3863 on all addresses.\n")?;
        writeln!(f, "{}asap = [{}]", comment(self.asap.is_empty()), list(&self.asap))?;

        f.write_str("\n# Where ENRP is served, to other registrars. Empty: where ASAP is, port 9901.\n")?;
        writeln!(f, "{}enrp = [{}]", comment(self.enrp.is_empty()), list(&self.enrp))?;

        f.write_str(
            "\n# Other registrars of this scope, HOST:PORT or HOST; one that is this registrar itself does no harm.\n",
        )?;
        writeln!(f, "{}static_peers = [{}]", comment(self.peers.is_empty()), list(&self.peers))?;

        f.write_str("\n# Where registrars announce themselves to pool elements and users, and to each other, if multicast = true.\n")?;
        writeln!(f, "{}asap_groups = [{}]", comment(self.asap_groups == default.asap_groups), list(&self.asap_groups))?;
        writeln!(f, "{}enrp_groups = [{}]", comment(self.enrp_groups == default.enrp_groups), list(&self.enrp_groups))?;

        f.write_str(
            "\n# The only interface to multicast on. Without it, all that are up, have an address and can multicast.\n",
        )?;
        match &self.multicast_interface {
            Some(name) => writeln!(f, "multicast_interface = {name:?}")?,
            None => writeln!(f, "#multicast_interface = \"eth0\"")?,
        }

        f.write_str("\n# How many networks multicast may cross (TTL, hop limit).\n")?;
        let hops = self.multicast_hops;
        writeln!(f, "{}multicast_hops = {hops}", comment(hops == default.multicast_hops))?;

        f.write_str("\n# Where admin HTTP is served (docs/admin-http.md), or \"off\". It has no passwords: keep it on loopback.\n")?;
        writeln!(f, "{}admin = \"{}\"", comment(self.admin == default.admin), self.admin)?;

        f.write_str("\n# Server Identifier, hexadecimal. Without it, a random one at each start.\n")?;
        match self.id {
            Some(id) => writeln!(f, "id = \"{id}\"")?,
            None => writeln!(f, "#id = \"0a0b0c0d\"")?,
        }

        let usual = default.settings.entries();
        for ((name, value), (_, usual)) in self.settings.entries().into_iter().zip(usual) {
            f.write_char('\n')?;
            for line in doc(name).lines() {
                writeln!(f, "# {line}")?;
            }
            writeln!(f, "{}{name} = {value}", comment(value == usual))?;
        }
        Ok(())
    }
}

fn list(values: &[impl Display]) -> String {
    values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", ")
}

fn comment(usual: bool) -> &'static str {
    if usual { "#" } else { "" }
}

/// What a setting is for.
fn doc(name: &str) -> &'static str {
    match name {
        "default_items" => {
            "Pool elements in the answer to a resolution that names no number. 4294967295: all that fit."
        }
        "keep_alive_interval" => "Time between two keep-alives to the same pool element, spread by 50 % either way.",
        "keep_alive_timeout" => "A pool element that has not answered a keep-alive for so long is removed.",
        "connect_timeout" => "Time an association may take to come up, whoever opens it.",
        "sctp_head_start" => {
            "Another registrar named here is tried over SCTP for so long before TCP is tried beside it; at once if SCTP is refused."
        }
        "conflict_probe_timeout" => {
            "When a second pool element claims an identifier, the first has so long to show that it is alive."
        }
        "distance_step" => "Distances of pool elements, for the DPF policies, are told in multiples of this.",
        "max_bad_pe_reports" => "MAX-BAD-PE-REPORT: so many reports that it is unreachable remove a pool element.",
        "bad_report_window" => "Of each reporter one report counts in this time; after it, counting starts anew.",
        "update_min_interval" => "Changes of nothing but load are pushed to subscribers at most once in this time.",
        "give_up" => "A pool user that is silent for so long is forgotten.",
        "server_announce" => "T6-Serverannounce: time between two announcements, times the number of registrars.",
        "accept_foreign_addresses" => {
            "Whether a pool element may register addresses that are not its own. Needed behind address translation;\n\
             it lets anybody aim pool users at third parties."
        }
        "multicast" => {
            "Whether to speak on the multicast channels: announcements to pool elements and users, presence to registrars.\n\
             Off, so that no registrar joins a stranger's scope by surprise."
        }
        "peer_heartbeat_cycle" => {
            "Other registrars (ENRP, RFC 5353). All of a scope should have the same values.\n\
             PEER-HEARTBEAT-CYCLE: time between two presences to all peers, spread by 12 %."
        }
        "max_time_last_heard" => "MAX-TIME-LAST-HEARD: a peer that is silent for so long is asked whether it lives.",
        "max_time_no_response" => {
            "MAX-TIME-NO-RESPONSE: a peer that has not answered for so long is dead; a mentor is given up; a takeover goes\n\
             on without the missing acknowledgements."
        }
        "mentor_discovery_timeout" => "A registrar that has found no other one after so long starts alone.",
        "mentor_retry" => "Pause before a busy mentor is asked again.",
        "takeover_winner" => {
            "Of two registrars that want to take over the same peer, which identifier wins: \"higher\" (RFC 5353) or\n\
             \"lower\" (RSPLIB). All registrars of a scope must agree."
        }
        "takeover_stagger" => {
            "Each registrar that would lose against another starts its takeover this much later, so that mostly one starts."
        }
        "takeover_expiry" => "Who was granted a takeover and has not enforced it after so long has given up.",
        "claims_per_second" => "Pool elements taken over that are told per second.",
        "takeover_suggestions" => {
            "Suggest new pool elements to the registrar they fit best, and follow such suggestions. RSPLIB knows them, too."
        }
        "handle_table_page" => "Longest page in bytes when a peer downloads the handlespace.",
        "resync_min_interval" => {
            "Pause before the pool elements of a peer are asked for again because checksums still differ; doubled each time."
        }
        "leave_timeout" => "A registrar that stops waits so long for its pool elements to be with their new homes.",
        "peers" => "Other registrars.",
        "downloads" => "Registrars that download the handlespace at once; others are told to come again.",
        "life_unit" => "Unit of Registration Life on the wire: \"s\" (RFC 5354) or \"ms\" (RSPLIB).",
        "length_includes_padding" => {
            "Whether Message Length counts the padding of the last parameter, as RSPLIB's does."
        }
        "max_pool_handle" => "Longest pool handle in bytes. RSPLIB aborts on more than 32.",
        "asap_transport_data_only" => {
            "ASAP Transports of pool elements say data only (Transport Use 0). RSPLIB refuses a table and an update with any other."
        }
        "pools" => "Limits. Over one of them the peer gets an error, the others do not notice.\nPools.",
        "pool_elements" => "Pool elements in all pools.",
        "pool_elements_per_pool" => "Pool elements in one pool.",
        "items_per_resolution" => "Pool elements in one answer, whatever is asked for. 4294967295: all that fit.",
        "subscriptions" => "Subscriptions of all pool users.",
        "associations" => "Associations opened by others.",
        "connections_opened" => {
            "Associations opened by the registrar, to pool elements whose own was lost or that were taken over; no more than\n\
             64 at a time are being opened to one address."
        }
        "requests_per_second" => "Requests per second of one association; a burst may be twice as many.",
        "buffered_bytes" => "Bytes waiting for one peer; one that does not read them is cut off.",
        "peer_buffered_bytes" => {
            "Bytes waiting for another registrar; one that does not read them is cut off, and asks for the handlespace when\n\
             it is back."
        }
        "rto_initial" => {
            "The kernel's SCTP, where that is used (RFC 9260).\n\
             RTO.Initial, and the time until an INIT is repeated at the peer's next address."
        }
        "rto_min" => {
            "RTO.Min. Above the time peers put off their SACKs (200 ms unless set otherwise), or all that is sent alone is sent twice."
        }
        "rto_max" => "RTO.Max.",
        "path_max_retrans" => {
            "Path.Max.Retrans: a path is left at its first time-out and reported unreachable after so many more."
        }
        "association_max_retrans" => {
            "Association.Max.Retrans: a peer we connected to is given up after so many time-outs in a row on all paths."
        }
        "path_heartbeat_interval" => "HB.interval: how often a path that carries nothing is tried.",
        "sack_delay" => "How long our SACKs wait for something to ride on.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::Parser;
    use daemon::config::File;
    use rsp_core::config::{Profile, RegistrarSettings};

    #[test]
    fn every_setting_is_documented() {
        for (name, _) in RegistrarSettings::of(Profile::Standard).entries() {
            assert!(!doc(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn the_shipped_file_is_what_is_printed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/registrar.toml");
        let shipped = std::fs::read_to_string(path).unwrap_or_default();
        let printed = Config::of(Profile::Standard).to_string();
        assert!(shipped == printed, "run: cargo run -p rsp-registrar -- --print-config > packaging/registrar.toml");
    }

    #[test]
    fn a_printed_configuration_read_again_is_the_same() {
        let flags = [
            "--profile",
            "fast",
            "--transport",
            "tcp",
            "--asap",
            "[::1]:7",
            "--admin",
            "off",
            "--id",
            "7f",
            "--set",
            "pools=3",
        ];
        let more =
            ["--enrp", "[::1]:8", "--peer", "r2", "--peer", "[::1]:9", "--multicast", "--multicast-interface", "lo"];
        let config = loaded(&[&flags[..], &more[..]].concat(), "asap_groups = [\"239.0.0.1:1\"]\nmulticast_hops = 9\n");
        assert_eq!(loaded(&[], &config.to_string()), config);
        let uncommented: String = Config::of(Profile::Rfc)
            .to_string()
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned() + "\n")
            .filter(|line| !line.starts_with("id = ") && !line.starts_with("multicast_interface = "))
            .collect();
        assert_eq!(loaded(&[], &uncommented), Config::of(Profile::Rfc), "what is commented out holds without it");
    }

    fn loaded(flags: &[&str], file: &str) -> Config {
        let args = Args::parse_from(std::iter::once(&"rsp-registrar").chain(flags));
        let file = File::parse("registrar.toml", file.to_owned()).unwrap();
        Config::layered(&args, |_| None, Some(&file)).unwrap()
    }
}
