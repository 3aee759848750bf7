// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every timer, limit and default of the protocols, with its value by profile (`docs/decisions.md` has the table).

mod by_name;
mod multicast;
mod sctp;

use std::time::Duration;

use machine::association::Protocol;
use rsp_wire::asap::HandleResolution;
use smallvec::SmallVec;

pub use sctp::SctpSettings;

/// A coherent set of values. One operational scope, one profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// The default: failures are noticed within seconds.
    #[default]
    Standard,
    /// The letter of the RFCs.
    Rfc,
    /// Lives beside RSPLIB.
    Rsplib,
    /// LANs and the demo: failures are noticed within a second.
    Fast,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Profile; 4] = [Profile::Standard, Profile::Rfc, Profile::Rsplib, Profile::Fast];

    /// The value of this profile among the four, in the order of the table in `docs/decisions.md`.
    const fn pick<T: Copy>(self, standard: T, rfc: T, rsplib: T, fast: T) -> T {
        match self {
            Profile::Standard => standard,
            Profile::Rfc => rfc,
            Profile::Rsplib => rsplib,
            Profile::Fast => fast,
        }
    }

    const fn ms(self, standard: u64, rfc: u64, rsplib: u64, fast: u64) -> Duration {
        Duration::from_millis(self.pick(standard, rfc, rsplib, fast))
    }
}

impl std::str::FromStr for Profile {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "standard" => Ok(Profile::Standard),
            "rfc" => Ok(Profile::Rfc),
            "rsplib" => Ok(Profile::Rsplib),
            "fast" => Ok(Profile::Fast),
            other => Err(format!("unknown profile \"{other}\": use standard, rfc, rsplib or fast")),
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pick("standard", "rfc", "rsplib", "fast"))
    }
}

/// Unit of the Registration Life field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LifeUnit {
    /// RFC 5354 §3.10.
    Seconds,
    /// RSPLIB.
    Milliseconds,
}

/// What both ends of ASAP must agree on to understand each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WireSettings {
    /// Unit of Registration Life.
    pub life_unit: LifeUnit,
    /// Message Length counts the last parameter's padding (RSPLIB) or not (RFC 5354 §4). Both are accepted.
    pub length_includes_padding: bool,
    /// Longest pool handle in bytes; RSPLIB aborts on more than 32.
    pub max_pool_handle: usize,
    /// ASAP Transports of PEs say "data only" (Transport Use 0): RSPLIB refuses a table and an update with any other.
    pub asap_transport_data_only: bool,
}

impl WireSettings {
    /// How messages are encoded.
    pub const fn dialect(&self) -> rsp_wire::Dialect {
        rsp_wire::Dialect { length_includes_padding: self.length_includes_padding }
    }

    /// The values of a profile.
    pub const fn of(profile: Profile) -> Self {
        WireSettings {
            life_unit: profile.pick(LifeUnit::Seconds, LifeUnit::Seconds, LifeUnit::Milliseconds, LifeUnit::Seconds),
            length_includes_padding: profile.pick(true, false, true, true),
            max_pool_handle: profile.pick(256, 256, 32, 256),
            asap_transport_data_only: profile.pick(false, false, true, false),
        }
    }
}

/// A registrar's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrarSettings {
    /// What both ends must agree on.
    pub wire: WireSettings,
    /// Items of a handle resolution that asks for 0 or has no option 0x803f; [`HandleResolution::ALL_ITEMS`] = all that fit.
    pub default_items: u32,
    /// Time between two keep-alives to the same PE, spread by ± 50 % (RFC 5352 §3.5).
    pub keep_alive_interval: Duration,
    /// A PE that has not answered a keep-alive for so long is removed.
    pub keep_alive_timeout: Duration,
    /// Connecting to a PE's ASAP transport.
    pub connect_timeout: Duration,
    /// A registrar an administrator names is tried over SCTP for so long before TCP is tried beside it; at once if SCTP is refused.
    pub sctp_head_start: Duration,
    /// A keep-alive to the old PE decides within this time whether its identifier is really taken: T2 / 2.
    pub conflict_probe_timeout: Duration,
    /// MAX-BAD-PE-REPORT: this many ENDPOINT_UNREACHABLE reports remove a PE.
    pub max_bad_pe_reports: u32,
    /// Of the reports about a PE one per reporter address counts in this time; after it the counter starts anew.
    pub bad_report_window: Duration,
    /// Changes of nothing but load are pushed to subscribers at most this often.
    pub update_min_interval: Duration,
    /// A silent pool user is forgotten after this time.
    pub give_up: Duration,
    /// T6-Serverannounce.
    pub server_announce: Duration,
    /// A PE may register addresses that are not its association's.
    pub accept_foreign_addresses: bool,
    /// Distances of PEs, for the policies with a distance penalty factor, are told in multiples of this (DistanceStep of draft-dreibholz-rserpool-delay).
    pub distance_step: Duration,
    /// Speak on the multicast channels: ASAP_SERVER_ANNOUNCE to PEs and PUs, ENRP_PRESENCE to registrars. Off, so that nobody joins a stranger's scope by surprise.
    pub multicast: bool,
    /// Timers of the kernel's SCTP.
    pub sctp: SctpSettings,
    /// ENRP.
    pub enrp: EnrpSettings,
    /// Upper bounds.
    pub limits: Limits,
}

/// A registrar's settings towards other registrars, RFC 5353.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrpSettings {
    /// PEER-HEARTBEAT-CYCLE: time between two ENRP_PRESENCE to all peers, spread by ± 12 %.
    pub peer_heartbeat_cycle: Duration,
    /// MAX-TIME-LAST-HEARD: a peer silent for so long is asked for an ENRP_PRESENCE.
    pub max_time_last_heard: Duration,
    /// MAX-TIME-NO-RESPONSE: a peer that has not answered for so long is dead, a mentor is given up, a takeover goes on without the missing acknowledgements.
    pub max_time_no_response: Duration,
    /// A registrar that has found no mentor after so long believes it is alone.
    pub mentor_discovery_timeout: Duration,
    /// Pause before a mentor that was busy is asked again: "a few seconds" in RFC 5353 §3.2.2.2.
    pub mentor_retry: Duration,
    /// Of two registrars that want to take over the same peer the one with this identifier does: higher (RFC 5353 §3.5.1) or lower (RSPLIB).
    pub takeover_winner: Winner,
    /// Each registrar that would lose against another starts its takeover this much later, so that mostly one starts at all.
    pub takeover_stagger: Duration,
    /// Who was granted a takeover and has not enforced it after so long is considered to have given up.
    pub takeover_expiry: Duration,
    /// PEs taken over that are asked per second to adopt their new home.
    pub claims_per_second: u32,
    /// Suggest to the peer that fits a new PE best that it becomes its home (T flag, draft-dreibholz-rserpool-enrp-takeover), and follow such suggestions.
    pub takeover_suggestions: bool,
    /// Longest ENRP_HANDLE_TABLE_RESPONSE in bytes.
    pub handle_table_page: usize,
    /// Pause before the PEs of a peer whose checksum still differs are asked for again, doubled each time up to RETRAN-MAX (60 s).
    pub resync_min_interval: Duration,
    /// A registrar that stops waits so long for its PEs to be with their new homes.
    pub leave_timeout: Duration,
}

/// Which identifier wins a takeover arbitration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Winner {
    /// RFC 5353 §3.5.1.
    Higher,
    /// What RSPLIB does. All registrars of a scope must agree.
    Lower,
}

impl EnrpSettings {
    /// The values of a profile.
    pub const fn of(profile: Profile) -> Self {
        EnrpSettings {
            peer_heartbeat_cycle: profile.ms(2_400, 30_000, 2_440, 250),
            max_time_last_heard: profile.ms(5_000, 61_000, 5_000, 600),
            max_time_no_response: profile.ms(2_000, 5_000, 5_000, 300),
            mentor_discovery_timeout: profile.ms(3_000, 10_000, 5_000, 500),
            mentor_retry: profile.ms(500, 3_000, 1_000, 50),
            takeover_winner: profile.pick(Winner::Higher, Winner::Higher, Winner::Lower, Winner::Higher),
            takeover_stagger: profile.ms(50, 200, 200, 20),
            takeover_expiry: profile.ms(5_000, 10_000, 5_000, 1_000),
            claims_per_second: profile.pick(10_000, 1_000, 1_000, 20_000),
            takeover_suggestions: false,
            handle_table_page: profile.pick(65_000, 65_000, 1_400, 65_000),
            resync_min_interval: profile.ms(250, 1_000, 1_000, 50),
            leave_timeout: profile.ms(5_000, 10_000, 5_000, 2_000),
        }
    }
}

impl RegistrarSettings {
    /// The values of a profile.
    pub fn of(profile: Profile) -> Self {
        RegistrarSettings {
            wire: WireSettings::of(profile),
            default_items: profile.pick(3, HandleResolution::ALL_ITEMS, 3, 3),
            keep_alive_interval: profile.ms(5_000, 30_000, 5_000, 500),
            keep_alive_timeout: profile.ms(2_000, 5_000, 5_000, 500),
            connect_timeout: profile.ms(1_000, 5_000, 5_000, 250),
            sctp_head_start: EndpointSettings::of(profile).sctp_head_start,
            conflict_probe_timeout: EndpointSettings::of(profile).t2_registration / 2,
            max_bad_pe_reports: 3,
            bad_report_window: profile.ms(60_000, 300_000, 60_000, 10_000),
            update_min_interval: profile.ms(200, 1_000, 1_000, 50),
            give_up: profile.ms(60_000, 120_000, 60_000, 10_000),
            server_announce: profile.ms(1_000, 1_000, 1_000, 250),
            accept_foreign_addresses: false,
            distance_step: profile.ms(50, 50, 50, 10),
            multicast: false,
            sctp: SctpSettings::of(profile),
            enrp: EnrpSettings::of(profile),
            limits: Limits::default(),
        }
    }
}

/// Upper bounds of a registrar. Over a limit the peer gets the error cause, the others do not notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pools.
    pub pools: usize,
    /// PEs in all pools.
    pub pool_elements: usize,
    /// PEs in one pool.
    pub pool_elements_per_pool: usize,
    /// Items in one resolution, whatever it asks for.
    pub items_per_resolution: u32,
    /// Subscriptions (S bit) of all pool users.
    pub subscriptions: usize,
    /// Associations opened by others.
    pub associations: usize,
    /// Associations opened by the registrar, to PEs whose own was lost or that were taken over; to one address no more than 64 at a time that are not up yet. A PE for which there is none left is removed.
    pub connections_opened: usize,
    /// Other registrars known.
    pub peers: usize,
    /// Registrars that download the handlespace at once; others are told to come again.
    pub downloads: usize,
    /// Requests per second and association, a burst of twice as many.
    pub requests_per_second: u32,
    /// Bytes waiting to be sent to a PE or PU.
    pub buffered_bytes: usize,
    /// Bytes waiting to be sent to another registrar; one that does not read them is cut off, and asks for the handlespace when it is back.
    pub peer_buffered_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            pools: 100_000,
            pool_elements: 1_000_000,
            pool_elements_per_pool: 1_000_000,
            items_per_resolution: HandleResolution::ALL_ITEMS,
            subscriptions: 100_000,
            associations: 20_000,
            connections_opened: 20_000,
            peers: 256,
            downloads: 16,
            requests_per_second: 1_000_000,
            buffered_bytes: 4 << 20,
            peer_buffered_bytes: 64 << 20,
        }
    }
}

/// Settings of an endpoint: registrations, resolutions, server hunt, cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    /// What both ends must agree on.
    pub wire: WireSettings,
    /// T1-ENRPrequest.
    pub t1_request: Duration,
    /// T2-registration.
    pub t2_registration: Duration,
    /// T3-deregistration.
    pub t3_deregistration: Duration,
    /// T4-reregistration is life less 20 s, life / 2 where life is at most 40 s, and never more than this.
    pub t4_reregistration_max: Duration,
    /// T5-Serverhunt, doubled at each expiry up to `retran_max`.
    pub t5_server_hunt: Duration,
    /// T7-ENRPoutdate: five announcements of a lone registrar (T6), as in RFC 5352 §7.
    pub t7_outdate: Duration,
    /// RETRAN-MAX: ceiling of every back-off.
    pub retran_max: Duration,
    /// MAX-REG-ATTEMPT.
    pub max_reg_attempt: u32,
    /// MAX-REQUEST-RETRANSMIT.
    pub max_request_retransmit: u32,
    /// Associations tried at once by a hunt; SH1 of RFC 5352 §3.6 allows 3.
    pub hunt_parallel: usize,
    /// A registrar that may be reached over SCTP and TCP is tried over SCTP for so long before TCP is tried beside it; at once if SCTP is refused.
    pub sctp_head_start: Duration,
    /// stale.cache.value: a cached pool is used without asking for so long.
    pub stale_cache_value: Duration,
    /// Connecting to a registrar.
    pub connect_timeout: Duration,
    /// A PE this user reported is not offered again for so long while another exists.
    pub failed_hold: Duration,
    /// Registration Life a PE asks for if its application says nothing.
    pub default_life: Duration,
    /// Items asked for by a resolution that is to be cached; RSPLIB sends no more than 128.
    pub cache_items: u32,
    /// Registrations with changed values are sent at most once in this time.
    pub update_min_interval: Duration,
    /// First and longest pause before a watched pool is asked for again after a negative answer or none.
    pub resubscribe: (Duration, Duration),
    /// Reports about one PE are sent at most once in this time.
    pub report_min_interval: Duration,
    /// Pools in the cache.
    pub max_cached_pools: usize,
    /// Bytes of answers a registrar may have waiting; one that asks and does not read is cut off.
    pub max_control_bytes: usize,
    /// Timers of the kernel's SCTP.
    pub sctp: SctpSettings,
    /// Which transports the process has to reach registrars; announced addresses of others are of no use.
    pub protocols: SmallVec<[Protocol; 2]>,
}

impl EndpointSettings {
    /// The values of a profile.
    pub fn of(profile: Profile) -> Self {
        EndpointSettings {
            wire: WireSettings::of(profile),
            t1_request: profile.ms(2_000, 15_000, 1_500, 250),
            t2_registration: profile.ms(2_000, 30_000, 1_500, 500),
            t3_deregistration: profile.ms(2_000, 30_000, 1_500, 500),
            t4_reregistration_max: Duration::from_secs(600),
            t5_server_hunt: profile.ms(2_000, 10_000, 5_000, 250),
            t7_outdate: profile.ms(5_000, 5_000, 5_000, 1_250),
            retran_max: Duration::from_secs(60),
            max_reg_attempt: 2,
            max_request_retransmit: 2,
            hunt_parallel: 3,
            sctp_head_start: profile.ms(100, 250, 250, 50),
            stale_cache_value: profile.ms(5_000, 30_000, 30_000, 1_000),
            connect_timeout: profile.ms(1_000, 5_000, 5_000, 250),
            failed_hold: profile.ms(5_000, 30_000, 30_000, 1_000),
            default_life: profile.ms(120_000, 900_000, 90_000, 30_000),
            cache_items: profile.pick(
                HandleResolution::ALL_ITEMS,
                HandleResolution::ALL_ITEMS,
                128,
                HandleResolution::ALL_ITEMS,
            ),
            update_min_interval: profile.ms(100, 1_000, 1_000, 20),
            resubscribe: (profile.ms(250, 1_000, 1_000, 50), profile.ms(5_000, 30_000, 30_000, 1_000)),
            report_min_interval: profile.ms(1_000, 1_000, 1_000, 100),
            max_cached_pools: 10_000,
            max_control_bytes: 1 << 20,
            sctp: SctpSettings::of(profile),
            protocols: SmallVec::from_slice(&[Protocol::Tcp]),
        }
    }
}

/// Settings of a session, at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// What both ends must agree on.
    pub wire: WireSettings,
    /// Our part of docs/session-wire.md; `false` speaks nothing but the RFCs.
    pub extensions: bool,
    /// A pool may have PEs that speak HELLO and others that do not: one that stays silent is taken as plain although another has spoken it.
    pub mixed_pools: bool,
    /// Session heartbeat interval; both ends use the larger one.
    pub heartbeat_interval: Duration,
    /// The peer is dead after interval x misses of silence.
    pub heartbeat_misses: u32,
    /// Connecting to a PE.
    pub connect_timeout: Duration,
    /// Silence after HELLO for so long means a plain peer, if no PE of the pool ever spoke HELLO.
    pub hello_wait: Duration,
    /// A PU gives up a session that finds no PE for so long; a PE forgets a silent PU after it.
    pub give_up: Duration,
    /// Application bytes we take before the application has taken any.
    pub receive_window: u32,
    /// Application bytes in flight and waiting for an acknowledgement before `send` waits.
    pub send_window: usize,
    /// The latest cookie goes to the PU again after so long; 0 = only when it is set.
    pub cookie_interval: Duration,
    /// A sealed cookie older than this is refused; 0 = never. It is sealed anew at each `cookie_interval`.
    pub cookie_lifetime: Duration,
    /// Time a drained PE serves on.
    pub drain_timeout: Duration,
    /// How long `close` waits for outcomes.
    pub linger: Duration,
    /// Pause after a round over all PEs of the pool in which none answered, doubled each time up to `retry_interval_max`.
    pub retry_interval: Duration,
    /// Longest such pause. A PE that is left again sooner than this counts as one that did not answer.
    pub retry_interval_max: Duration,
    /// Bytes of control messages a peer may have waiting, in either direction; of cookies as many again, then the newest waits.
    pub max_control_bytes: usize,
    /// Largest message taken, in bytes of application data, and sent to whoever takes as much. What the mapping cannot carry in one piece goes in fragments, over SCTP up to 3 MiB.
    pub max_message_size: usize,
    /// Sessions a pool element serves at once.
    pub max_sessions: usize,
    /// Pool elements of a business card that count; what a peer names beyond that is ignored.
    pub business_card_elements: usize,
    /// A session that `PoolUser::send` keeps for a destination is closed after so long without a message.
    pub idle_session: Duration,
}

impl SessionSettings {
    /// The values of a profile.
    pub fn of(profile: Profile) -> Self {
        SessionSettings {
            wire: WireSettings::of(profile),
            extensions: true,
            mixed_pools: profile.pick(false, false, true, false),
            heartbeat_interval: profile.ms(1_000, 15_000, 15_000, 200),
            heartbeat_misses: 3,
            connect_timeout: profile.ms(1_000, 5_000, 5_000, 250),
            hello_wait: profile.ms(500, 1_000, 250, 100),
            give_up: profile.ms(60_000, 120_000, 60_000, 10_000),
            receive_window: 256 << 10,
            send_window: 1 << 20,
            cookie_interval: profile.ms(30_000, 60_000, 60_000, 10_000),
            cookie_lifetime: Duration::from_secs(3_600),
            drain_timeout: profile.ms(10_000, 30_000, 10_000, 2_000),
            linger: profile.ms(5_000, 30_000, 5_000, 2_000),
            retry_interval: profile.ms(200, 1_000, 500, 50),
            retry_interval_max: profile.ms(2_000, 10_000, 5_000, 500),
            max_control_bytes: 1 << 20,
            max_message_size: 1 << 20,
            max_sessions: 10_000,
            business_card_elements: 128,
            idle_session: profile.ms(60_000, 120_000, 60_000, 10_000),
        }
    }

    /// How long a silent peer lives.
    pub fn dead_after(&self, interval: Duration) -> Duration {
        interval * self.heartbeat_misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_known_by_name() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert!("quick".parse::<Profile>().unwrap_err().contains("standard"));
    }

    #[test]
    fn the_rfc_profile_is_the_letter_of_rfc_5352_section_7() {
        let endpoint = EndpointSettings::of(Profile::Rfc);
        assert_eq!(endpoint.t1_request, Duration::from_secs(15));
        assert_eq!(endpoint.t2_registration, Duration::from_secs(30));
        assert_eq!(endpoint.t3_deregistration, Duration::from_secs(30));
        assert_eq!(endpoint.t4_reregistration_max, Duration::from_secs(600));
        assert_eq!(endpoint.t5_server_hunt, Duration::from_secs(10));
        assert_eq!(endpoint.t7_outdate, Duration::from_secs(5));
        assert_eq!((endpoint.max_reg_attempt, endpoint.max_request_retransmit), (2, 2));
        assert_eq!(endpoint.retran_max, Duration::from_secs(60));
        assert!(!endpoint.wire.length_includes_padding);
    }
}
