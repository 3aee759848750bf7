// SPDX-License-Identifier: MIT OR Apache-2.0
//! Settings by name: the same words in config files, environment and flags.

use std::time::Duration;

use super::{
    EndpointSettings, EnrpSettings, LifeUnit, Limits, RegistrarSettings, SctpSettings, SessionSettings, Winner,
    WireSettings,
};

/// A value that can stand in a config file.
trait Value: Sized {
    fn parse(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
    /// No time at all.
    fn is_no_time(&self) -> bool {
        false
    }
}

macro_rules! by_name {
    ($type:ty { $($name:ident),* } $(, nested { $($nested:ident),* })?) => {
        impl $type {
            /// Changes one setting.
            ///
            /// # Errors
            /// Says which settings there are, or what values this one takes.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => {
                        let parsed = Value::parse(value).map_err(|e| format!("{name} = {value}: {e}"))?;
                        if Value::is_no_time(&parsed) && TAKES_TIME.contains(&name) {
                            return Err(format!("{name} = {value}: more than 0 is expected"));
                        }
                        self.$name = parsed;
                    })*
                    _ => {
                        $($(if self.$nested.names().contains(&name) {
                            return self.$nested.set(name, value);
                        })*)?
                        return Err(format!("unknown setting \"{name}\": known are {}", self.names().join(", ")));
                    }
                }
                Ok(())
            }

            /// The names [`Self::set`] takes.
            pub fn names(&self) -> Vec<&'static str> {
                self.entries().into_iter().map(|(name, _)| name).collect()
            }

            /// All settings with their values, as a config file has them.
            pub fn entries(&self) -> Vec<(&'static str, String)> {
                #[allow(unused_mut, reason = "not all have nested settings")]
                let mut entries = vec![$((stringify!($name), self.$name.show())),*];
                $($(entries.extend(self.$nested.entries());)*)?
                entries
            }
        }
    };
}

by_name!(WireSettings { life_unit, length_includes_padding, max_pool_handle, asap_transport_data_only });
by_name!(
    RegistrarSettings {
        default_items,
        keep_alive_interval,
        keep_alive_timeout,
        connect_timeout,
        sctp_head_start,
        conflict_probe_timeout,
        max_bad_pe_reports,
        bad_report_window,
        update_min_interval,
        give_up,
        server_announce,
        accept_foreign_addresses,
        distance_step,
        multicast
    },
    nested { enrp, wire, limits, sctp }
);
by_name!(SctpSettings {
    rto_initial,
    rto_min,
    rto_max,
    path_max_retrans,
    association_max_retrans,
    path_heartbeat_interval,
    sack_delay
});
by_name!(EnrpSettings {
    peer_heartbeat_cycle,
    max_time_last_heard,
    max_time_no_response,
    mentor_discovery_timeout,
    mentor_retry,
    takeover_winner,
    takeover_stagger,
    takeover_expiry,
    claims_per_second,
    takeover_suggestions,
    handle_table_page,
    resync_min_interval,
    leave_timeout
});
by_name!(Limits {
    pools,
    pool_elements,
    pool_elements_per_pool,
    items_per_resolution,
    subscriptions,
    associations,
    connections_opened,
    peers,
    downloads,
    requests_per_second,
    buffered_bytes,
    peer_buffered_bytes
});
by_name!(
    EndpointSettings {
        t1_request,
        t2_registration,
        t3_deregistration,
        t4_reregistration_max,
        t5_server_hunt,
        t7_outdate,
        retran_max,
        max_reg_attempt,
        max_request_retransmit,
        hunt_parallel,
        sctp_head_start,
        stale_cache_value,
        connect_timeout,
        failed_hold,
        default_life,
        cache_items,
        report_min_interval,
        max_cached_pools,
        max_control_bytes
    },
    nested { wire, sctp }
);
by_name!(
    SessionSettings {
        extensions,
        mixed_pools,
        heartbeat_interval,
        heartbeat_misses,
        connect_timeout,
        hello_wait,
        give_up,
        receive_window,
        send_window,
        cookie_interval,
        cookie_lifetime,
        drain_timeout,
        linger,
        retry_interval,
        retry_interval_max,
        max_control_bytes,
        max_message_size,
        max_sessions,
        business_card_elements,
        idle_session
    },
    nested { wire }
);

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| DURATION.to_owned())?;
        let milliseconds = match text[digits..].trim() {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" | "min" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        milliseconds.map(Duration::from_millis).ok_or_else(|| DURATION.to_owned())
    }

    fn show(&self) -> String {
        match self.as_millis() {
            ms if ms % 1000 == 0 => format!("\"{}s\"", ms / 1000),
            ms => format!("\"{ms}ms\""),
        }
    }

    fn is_no_time(&self) -> bool {
        self.is_zero()
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Value for $type {
            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("a number from 0 to {} is expected", <$type>::MAX))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(u32 usize);

impl Value for bool {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "true or false is expected".to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for LifeUnit {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "s" => Ok(LifeUnit::Seconds),
            "ms" => Ok(LifeUnit::Milliseconds),
            _ => Err("s or ms is expected".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            LifeUnit::Seconds => "\"s\"".to_owned(),
            LifeUnit::Milliseconds => "\"ms\"".to_owned(),
        }
    }
}

impl Value for Winner {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "higher" => Ok(Winner::Higher),
            "lower" => Ok(Winner::Lower),
            _ => Err("higher or lower is expected".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Winner::Higher => "\"higher\"".to_owned(),
            Winner::Lower => "\"lower\"".to_owned(),
        }
    }
}

/// What is done again and again after this time, or waited for: at once would be for ever, or never.
const TAKES_TIME: [&str; 24] = [
    "keep_alive_interval",
    "keep_alive_timeout",
    "connect_timeout",
    "conflict_probe_timeout",
    "bad_report_window",
    "give_up",
    "server_announce",
    "distance_step",
    "peer_heartbeat_cycle",
    "max_time_last_heard",
    "max_time_no_response",
    "mentor_retry",
    "takeover_expiry",
    "t1_request",
    "t2_registration",
    "t3_deregistration",
    "t4_reregistration_max",
    "t5_server_hunt",
    "t7_outdate",
    "default_life",
    "heartbeat_interval",
    "hello_wait",
    "retry_interval",
    "retry_interval_max",
];

const DURATION: &str = "a duration such as 250ms, 2s or 5m is expected";

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;

    #[test]
    fn every_setting_can_be_shown_and_set_to_what_it_shows() {
        for profile in Profile::ALL {
            let mut settings = EndpointSettings::of(profile);
            for (name, value) in settings.entries() {
                settings.set(name, value.trim_matches('"')).expect("what is shown can be set");
            }
            assert_eq!(settings, EndpointSettings::of(profile));
        }
    }

    #[test]
    fn a_setting_of_a_nested_group_is_found() {
        let mut settings = RegistrarSettings::of(Profile::Standard);
        settings.set("max_pool_handle", "32").expect("known");
        settings.set("pools", "7").expect("known");
        assert_eq!((settings.wire.max_pool_handle, settings.limits.pools), (32, 7));
    }

    #[test]
    fn a_mistake_is_named_with_what_would_be_right() {
        let mut settings = SessionSettings::of(Profile::Standard);
        assert!(settings.set("hello_wiat", "1s").unwrap_err().contains("hello_wait"));
        assert!(settings.set("hello_wait", "0s").unwrap_err().contains("more than 0"));
        assert!(settings.set("linger", "0s").is_ok());
        assert!(settings.set("hello_wait", "1").unwrap_err().contains("250ms"));
        assert!(settings.set("hello_wait", "99999999999999999h").is_err());
    }
}
