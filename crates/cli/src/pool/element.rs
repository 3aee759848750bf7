// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool element as a table row, a line and a JSON object.

use rsp_wire::parameter::{Policy, PoolElement, RegistrationLife, UserTransport};
use serde_json::{Map, Value, json};

/// Column titles of [`row`].
pub(super) const TITLES: [&str; 5] = ["PE", "HOME REGISTRAR", "TRANSPORT", "POLICY", "LIFE"];

/// One row of a table.
pub(super) fn row(element: &PoolElement) -> [String; 5] {
    [
        element.id.to_string(),
        element.home.to_string(),
        element.user_transport.to_string(),
        element.policy.to_string(),
        life(element.life),
    ]
}

/// One line.
pub(super) fn line(element: &PoolElement) -> String {
    let PoolElement { id, user_transport, policy, home, .. } = element;
    format!("{id}  {user_transport}  {policy}  home {home}")
}

/// One object; loads are fractions of full load.
pub(super) fn json(element: &PoolElement) -> Value {
    let mut object = Map::new();
    object.insert("pe".into(), element.id.to_string().into());
    object.insert("home".into(), element.home.to_string().into());
    object.insert("registration_life".into(), element.life.0.into());
    match &element.user_transport {
        UserTransport::Ip(transport) => {
            let addresses = transport.addresses.iter().map(|ip| std::net::SocketAddr::new(*ip, transport.port));
            let addresses: Vec<Value> = addresses.map(|address| address.to_string().into()).collect();
            object.insert("protocol".into(), transport.protocol.to_string().into());
            object.insert("use".into(), transport.transport_use.to_string().into());
            object.insert("addresses".into(), addresses.into());
        }
        UserTransport::Opaque(data) => {
            object.insert("opaque_bytes".into(), data.len().into());
        }
    }
    object.insert("policy".into(), policy(&element.policy));
    object.into()
}

fn policy(policy: &Policy) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), policy.short_name().into());
    policy.fields(|name, value| {
        let value = match name {
            "weight" | "priority" | "distance" => json!(value),
            _ => json!(f64::from(value) / f64::from(u32::MAX)),
        };
        object.insert(name.into(), value);
    });
    object.into()
}

/// Seconds, as RFC 5354 §3.10 has it.
fn life(life: RegistrationLife) -> String {
    match life {
        RegistrationLife::INFINITE => "unlimited".to_owned(),
        RegistrationLife(seconds) => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use rsp_wire::parameter::{Protocol, Transport, TransportUse};
    use rsp_wire::{PeId, ServerId};

    use super::*;

    #[test]
    fn loads_are_fractions_and_addresses_have_their_port() {
        let element = PoolElement {
            id: PeId(0x1234),
            home: ServerId(1),
            life: RegistrationLife(30),
            user_transport: UserTransport::Ip(Transport {
                protocol: Protocol::Tcp,
                port: 7000,
                transport_use: TransportUse::DATA_PLUS_CONTROL,
                addresses: [std::net::IpAddr::from([127, 0, 0, 1])].into_iter().collect(),
            }),
            policy: Policy::LeastUsed { load: u32::MAX },
            asap_transport: None,
            unknown: Vec::new(),
        };
        let expected = json!({
            "pe": "0x00001234", "home": "0x00000001", "registration_life": 30, "protocol": "TCP", "use": "data+control",
            "addresses": ["127.0.0.1:7000"], "policy": {"name": "LU", "load": 1.0},
        });
        assert_eq!(json(&element), expected);
        assert_eq!(line(&element), "0x00001234  TCP 127.0.0.1:7000 data+control  LU load=1.000  home 0x00000001");
    }
}
