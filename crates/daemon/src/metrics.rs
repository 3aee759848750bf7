// SPDX-License-Identifier: MIT OR Apache-2.0
//! OpenMetrics text from counters somebody else keeps: nothing is counted twice.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Content type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One metric at one moment. The name has no prefix, and a counter's no `_total`.
#[derive(Debug, Clone)]
pub struct Sample {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    One(u64),
    ByLabel(&'static str, Vec<(String, u64)>),
}

impl Sample {
    /// Something that only grows.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Sample { name, help, kind: MetricType::Counter, value: Value::One(value) }
    }

    /// Something that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Sample { name, help, kind: MetricType::Gauge, value: Value::One(value) }
    }

    /// Counters told apart by a label.
    pub fn counters<V: Into<String>>(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (V, u64)>,
    ) -> Self {
        let values = values.into_iter().map(|(value, count)| (value.into(), count)).collect();
        Sample { name, help, kind: MetricType::Counter, value: Value::ByLabel(label, values) }
    }

    /// Gauges told apart by a label.
    pub fn gauges<V: Into<String>>(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (V, u64)>,
    ) -> Self {
        Sample { kind: MetricType::Gauge, ..Sample::counters(name, help, label, values) }
    }
}

/// The text of all samples, each name after `rserpool_`.
///
/// # Errors
/// Never in practice: a string takes all.
pub fn encode(samples: Vec<Sample>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("rserpool");
    registry.register_collector(Box::new(Samples(samples)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Samples(Vec<Sample>);

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Sample { name, help, kind, value } in &self.0 {
            let mut metric = encoder.encode_descriptor(name, help, None, *kind)?;
            match value {
                Value::One(value) => one(metric, *kind, *value)?,
                Value::ByLabel(label, values) => {
                    for (name, value) in values {
                        one(metric.encode_family(&[(*label, name.as_str())])?, *kind, *value)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn one(encoder: prometheus_client::encoding::MetricEncoder<'_>, kind: MetricType, value: u64) -> fmt::Result {
    match kind {
        MetricType::Counter => ConstCounter::new(value).encode(encoder),
        _ => ConstGauge::new(value).encode(encoder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_openmetrics() {
        let samples = vec![
            Sample::gauge("pools", "Pools", 3),
            Sample::counter("messages_received", "Messages received", 7),
            Sample::counters("resolutions", "Handle resolutions", "result", [("found", 5), ("unknown", 2)]),
            Sample::gauges("peer_alive", "Whether a peer is alive", "peer", [("0x00000007", 1)]),
        ];
        let expected = "\
# HELP rserpool_pools Pools
# TYPE rserpool_pools gauge
rserpool_pools 3
# HELP rserpool_messages_received Messages received
# TYPE rserpool_messages_received counter
rserpool_messages_received_total 7
# HELP rserpool_resolutions Handle resolutions
# TYPE rserpool_resolutions counter
rserpool_resolutions_total{result=\"found\"} 5
rserpool_resolutions_total{result=\"unknown\"} 2
# HELP rserpool_peer_alive Whether a peer is alive
# TYPE rserpool_peer_alive gauge
rserpool_peer_alive{peer=\"0x00000007\"} 1
# EOF
";
        assert_eq!(encode(samples).unwrap(), expected);
    }
}
