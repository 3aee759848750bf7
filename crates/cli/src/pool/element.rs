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
    let PoolElement { id, user_transport, policy, .. } = element;
    format!("{id}  {user_transport}  {policy}")
}

/// One object, in the words of docs/admin-http.md.
pub(super) fn json(element: &PoolElement) -> Value {
    json!({
        "id": element.id.to_string(),
        "home": element.home.to_string(),
        "registration_life": element.life.0,
        "transport": transport(&element.user_transport),
        "policy": policy(&element.policy),
    })
}

fn transport(transport: &UserTransport) -> Value {
    match transport {
        UserTransport::Ip(transport) => json!({
            "protocol": transport.protocol.to_string().to_lowercase(),
            "use": transport.transport_use.to_string(),
            "port": transport.port,
            "addresses": transport.addresses.as_slice(),
        }),
        UserTransport::Opaque(data) => {
            let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"protocol": "opaque", "opaque": digits})
        }
    }
}

/// Loads are as on the wire: 4294967295 = 100 %.
fn policy(policy: &Policy) -> Value {
    let mut object = Map::new();
    policy.fields(|name, value| drop(object.insert(name.into(), value.into())));
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
    fn the_words_are_those_of_the_admin_interface() {
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
            "id": "0x00001234", "home": "0x00000001", "registration_life": 30, "policy": {"load": 4_294_967_295_u32},
            "transport": {"protocol": "tcp", "use": "data+control", "port": 7000, "addresses": ["127.0.0.1"]},
        });
        assert_eq!(json(&element), expected);
        assert_eq!(line(&element), "0x00001234  TCP 127.0.0.1:7000 data+control  LU load=1.000");
    }
}
