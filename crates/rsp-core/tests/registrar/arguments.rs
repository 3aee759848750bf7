// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arguments of a script's command.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command};
use machine::association::AssociationId;
use rsp_core::config::{Profile, RegistrarSettings};
use rsp_wire::asap::HandleResolution;
use rsp_wire::parameter::{
    Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UnknownParameter, UserTransport,
};
use rsp_wire::{PeId, PoolHandle, ServerId};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is left of them.
pub(crate) struct Arguments<'a> {
    named: ArgumentConsumer<'a>,
    words: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn of(command: &'a Command) -> Self {
        let mut named = command.consume_args();
        let words = std::iter::from_fn(|| named.next_pos()).collect();
        Arguments { named, words }
    }

    /// There are no more.
    pub(crate) fn end(self) -> Result<()> {
        match self.words.first() {
            Some(word) => Err(format!("unexpected argument {word}").into()),
            None => self.named.reject_next(),
        }
    }

    pub(crate) fn word(&mut self, key: &str) -> Option<&'a str> {
        self.named.take_key(key)
    }

    pub(crate) fn required(&mut self, key: &str) -> Result<&'a str> {
        self.word(key).ok_or_else(|| format!("{key}= is missing").into())
    }

    pub(crate) fn next_word(&mut self) -> Option<&'a str> {
        (!self.words.is_empty()).then(|| self.words.remove(0))
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let at = self.words.iter().position(|word| *word == name);
        at.map(|at| self.words.remove(at)).is_some()
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<Option<u64>> {
        self.word(key).map(number).transpose()
    }

    pub(crate) fn association(&mut self) -> Result<AssociationId> {
        Ok(AssociationId(number(self.next_word().ok_or("which association?")?)?))
    }

    pub(crate) fn pool(&mut self) -> Result<PoolHandle> {
        pool_handle(self.next_word().ok_or("which pool?")?)
    }

    pub(crate) fn pe(&mut self) -> Result<PeId> {
        Ok(PeId(number(self.next_word().ok_or("which pool element?")?)? as u32))
    }

    pub(crate) fn server(&mut self) -> Result<ServerId> {
        Ok(ServerId(number(self.next_word().ok_or("which server?")?)? as u32))
    }

    pub(crate) fn items(&mut self) -> Result<Option<u32>> {
        Ok(match self.word("items") {
            None => None,
            Some("all") => Some(HandleResolution::ALL_ITEMS),
            Some(items) => Some(number(items)? as u32),
        })
    }

    pub(crate) fn hex(&mut self) -> Result<Bytes> {
        let digits: String = std::mem::take(&mut self.words).concat();
        let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2).unwrap_or(""), 16));
        Ok(bytes.collect::<std::result::Result<Vec<u8>, _>>()?.into())
    }

    pub(crate) fn duration(&mut self) -> Result<Duration> {
        duration(self.next_word().ok_or("how long?")?)
    }

    pub(crate) fn addresses(&mut self, key: &str) -> Result<Vec<IpAddr>> {
        self.word(key).map_or(Ok(Vec::new()), |list| {
            Ok(list.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?)
        })
    }

    /// `tcp:192.0.2.1:7000`, several of them.
    pub(crate) fn transports(&mut self) -> Result<Vec<Transport>> {
        std::mem::take(&mut self.words).into_iter().map(transport).collect()
    }

    pub(crate) fn pool_element(&mut self) -> Result<PoolElement> {
        let id = self.pe()?;
        let mut user_transport = match self.word("opaque") {
            Some(opaque) => UserTransport::Opaque(Bytes::copy_from_slice(opaque.as_bytes())),
            None => match self.word("at") {
                Some(at) => UserTransport::Ip(transport(at)?),
                None => UserTransport::Ip(transport(&format!("tcp:198.51.100.{}:7000", id.0 & 0xff))?),
            },
        };
        if let (UserTransport::Ip(transport), Some(transport_use)) = (&mut user_transport, self.number("use")?) {
            transport.transport_use = TransportUse(transport_use as u16);
        }
        let asap_transport = self.word("asap").map(transport).transpose()?;
        let life = self.word("life").map_or(Ok(60), str::parse)?;
        let unknown = match self.number("unknown")? {
            Some(parameter_type) => {
                vec![UnknownParameter { parameter_type: parameter_type as u16, value: Bytes::from_static(b"new!") }]
            }
            None => Vec::new(),
        };
        let (home, policy) = (ServerId::NONE, self.policy()?);
        Ok(PoolElement { id, home, life: RegistrationLife(life), user_transport, policy, asap_transport, unknown })
    }

    fn policy(&mut self) -> Result<Policy> {
        let name = self.word("policy").unwrap_or("rr");
        let mut value = |key: &str| Ok::<_, Box<dyn Error>>(self.number(key)?.unwrap_or(1) as u32);
        Ok(match name {
            "rr" => Policy::RoundRobin,
            "wrr" => Policy::WeightedRoundRobin { weight: value("weight")? },
            "rand" => Policy::Random,
            "wrand" => Policy::WeightedRandom { weight: value("weight")? },
            "prio" => Policy::Priority { priority: value("priority")? },
            "lu" => Policy::LeastUsed { load: value("load")? },
            "lu-dpf" => {
                Policy::LeastUsedDpf { load: value("load")?, load_dpf: value("dpf")?, distance: value("distance")? }
            }
            "other" => Policy::Other { policy_type: value("type")?, data: Bytes::new() },
            other => return Err(format!("no policy {other}").into()),
        })
    }

    /// What is left are settings by their names, with `-` for `_`.
    pub(crate) fn other_settings(&mut self, settings: &mut RegistrarSettings) -> Result<()> {
        while let Some((name, value)) = self.named.next_key() {
            settings.set(&name.replace('-', "_"), value)?;
        }
        Ok(())
    }

    pub(crate) fn settings(&mut self) -> Result<RegistrarSettings> {
        let mut settings = RegistrarSettings::of(self.word("profile").unwrap_or("standard").parse::<Profile>()?);
        settings.accept_foreign_addresses = self.flag("accept-foreign-addresses");
        Ok(settings)
    }
}

/// A handle; `long-256` stands for one of that length.
pub(crate) fn pool_handle(name: &str) -> Result<PoolHandle> {
    match name.strip_prefix("long-") {
        Some(length) => Ok(PoolHandle::from("x".repeat(number(length)? as usize))),
        None => Ok(PoolHandle::from(name)),
    }
}

/// `tcp:192.0.2.1:7000`, `sctp:192.0.2.1+2001:db8::1:7000`: protocol, addresses, port; `*33` = 33 times; data and control.
pub(crate) fn transport(text: &str) -> Result<Transport> {
    let (protocol, rest) = text.split_once(':').ok_or("tcp:ADDRESS:PORT")?;
    let (addresses, port) = rest.rsplit_once(':').ok_or("tcp:ADDRESS:PORT")?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "sctp" => Protocol::Sctp,
        "udp" => Protocol::Udp,
        other => return Err(format!("no protocol {other}").into()),
    };
    let addresses = match addresses.split_once('*') {
        Some((address, times)) => vec![address.parse()?; times.parse()?].into(),
        None => addresses.split('+').map(str::parse).collect::<std::result::Result<_, _>>()?,
    };
    Ok(Transport { protocol, port: port.parse()?, transport_use: TransportUse::DATA_PLUS_CONTROL, addresses })
}

pub(crate) fn number(text: &str) -> Result<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => Ok(u64::from_str_radix(digits, 16)?),
        None => Ok(text.parse()?),
    }
}

fn duration(text: &str) -> Result<Duration> {
    match text.strip_suffix("ms") {
        Some(millis) => Ok(Duration::from_millis(millis.parse()?)),
        None => Ok(Duration::from_secs(text.strip_suffix('s').ok_or("5s or 200ms")?.parse()?)),
    }
}
