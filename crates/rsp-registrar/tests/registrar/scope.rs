// SPDX-License-Identifier: MIT OR Apache-2.0
//! Three registrars of one scope, as processes: they find each other, share the handlespace and replace each other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rserpool::{Config, Items, PoolElement, PoolUser, Profile};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::process::{Registrar, program};
use sim::namespace::{in_namespace, ip};

#[test]
fn registrars_that_are_named_to_each_other_replace_each_other() {
    let first = start(&[]);
    let peer = first.enrp().to_string();
    let [second, third] = [(); 2].map(|()| start(&["--peer", &peer]));
    let asap = first.asap();
    one_dies([first, second, third], |config| config.registrars = vec![asap.to_string()]);
}

#[test]
fn registrars_find_each_other_by_multicast_alone() {
    in_namespace(|| found_by_multicast("127.0.0.1:0", "239.0.0.50:3863", "239.0.0.51:9901"));
}

#[test]
fn registrars_find_each_other_by_multicast_over_ipv6_alone() {
    in_namespace(|| found_by_multicast("[::1]:0", "[ff05::133]:3863", "[ff05::133]:9901"));
}

#[test]
fn registrars_that_listen_on_all_addresses_find_each_other_by_multicast() {
    in_namespace(|| {
        ip("address add 10.9.0.1/24 dev lo");
        ip("address add fd09::1/64 dev lo nodad");
        found_by_multicast("[::]:0", "239.0.0.50:3863", "239.0.0.51:9901");
    });
}

#[test]
fn a_registrar_that_stops_hands_its_pool_elements_over() {
    let leaving = start(&[]);
    let staying = start(&["--peer", &leaving.enrp().to_string()]);
    block_on(async {
        all_agree(&[&leaving, &staying], 0).await;
        let mut config = patient();
        config.registrars = vec![leaving.asap().to_string()];
        let user = PoolUser::builder().config(config).build().await.expect("a good configuration");
        let pe = register(&user).await;
        until("both know the pool element", || pools_of(&staying) == 1).await;
        let (id, old_home) = (staying.ready.id.clone(), leaving.asap());
        assert_eq!(pe.home_registrar(), Some(old_home));
        tokio::task::spawn_blocking(|| assert!(leaving.stop().0.success())).await.expect("it ends");
        until("the pool element has a new home", || home_of(&staying, &pe) == id).await;
        until("the pool element knows", || pe.home_registrar().is_some_and(|home| home != old_home)).await;
    });
}

/// No registrar is told of another, no pool element of a registrar.
fn found_by_multicast(listen: &str, asap_group: &str, enrp_group: &str) {
    let text = format!("asap_groups = [\"{asap_group}\"]\nenrp_groups = [\"{enrp_group}\"]\n");
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("it can be written");
    let path = file.path().to_str().expect("it is UTF-8");
    let registrars = [(); 3].map(|()| {
        let places = ["--asap", listen, "--enrp", listen, "--admin", "127.0.0.1:0"];
        let flags = ["--config", path, "--profile", "fast", "--multicast", "--announce-ready"];
        Registrar::spawn(program(&[&places[..], &flags[..], &WATCHFUL].concat()))
    });
    one_dies(registrars, |config| config.multicast_groups = vec![asap_group.parse().expect("a group")]);
}

/// A pool element registers at one of them and is known at all; its home is killed, and another one takes over.
fn one_dies(registrars: [Registrar; 3], configure: impl Fn(&mut Config)) {
    block_on(async {
        let mut registrars = Vec::from(registrars);
        all_agree(&registrars.iter().collect::<Vec<_>>(), 0).await;
        let mut config = patient();
        configure(&mut config);
        let user = PoolUser::builder().config(config).build().await.expect("a good configuration");
        let pe = register(&user).await;
        all_agree(&registrars.iter().collect::<Vec<_>>(), 1).await;
        for registrar in &registrars {
            assert_eq!(resolved_at(registrar.asap()).await, [pe.handle().id]);
        }

        let home = pe.home_registrar().expect("it is registered");
        let dies =
            registrars.iter().position(|registrar| registrar.asap().port() == home.port()).expect("it is one of them");
        let dead = registrars.swap_remove(dies);
        dead.signal(Signal::SIGKILL);
        let survivors: Vec<_> = registrars.iter().map(|registrar| registrar.ready.id.clone()).collect();
        for registrar in &registrars {
            assert_eq!(resolved_at(registrar.asap()).await, [pe.handle().id], "while nobody has taken over");
        }
        until("it has been taken over", || {
            let homes: Vec<_> = registrars.iter().map(|registrar| home_of(registrar, &pe)).collect();
            homes[0] == homes[1] && survivors.contains(&homes[0])
        })
        .await;
        until("the pool element knows", || pe.home_registrar().is_some_and(|now| now != home)).await;
        until("the dead one is forgotten", || registrars.iter().all(|registrar| peers(registrar).len() == 1)).await;
        all_agree(&registrars.iter().collect::<Vec<_>>(), 1).await;
        let takeovers = |registrar: &Registrar| {
            let text = registrar.get("/metrics").1;
            text.lines().filter(|line| *line == "rserpool_takeovers_total 1").count()
        };
        assert_eq!(registrars.iter().map(takeovers).sum::<usize>(), 1, "one of them has taken over");
    });
}

fn start(flags: &[&str]) -> Registrar {
    Registrar::start(&[&["--profile", "fast"], &WATCHFUL[..], flags].concat())
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there can be a runtime");
    runtime.block_on(test);
}

async fn register(user: &PoolUser) -> PoolElement {
    PoolElement::builder("echo").user(user).listen("[::]:0").register().await.expect("a registrar is found")
}

/// Who is in the pool, if only this registrar is asked.
async fn resolved_at(registrar: SocketAddr) -> Vec<rserpool::PeId> {
    let user = PoolUser::builder().config(patient()).registrar(registrar.to_string());
    let user = user.multicast(false).build().await.expect("a good configuration");
    let pool = user.resolve_fresh("echo", Items::All).await.expect("the pool is known");
    pool.elements.iter().map(|element| element.id).collect()
}

/// Waits until each is connected with all others, and all believe the same of so many pool elements.
async fn all_agree(registrars: &[&Registrar], pool_elements: u64) {
    until("all agree", || {
        registrars.iter().all(|registrar| {
            let list = registrar.json("/v1/registrars");
            let peers = list["peers"].as_array().expect("a list");
            let settled =
                |peer: &&Value| peer["state"] == "alive" && peer["connected"] == true && peer["agrees"] == true;
            let count = |it: &Value| it["pool_elements"].as_u64().expect("a number");
            let known: u64 = peers.iter().map(count).sum();
            list["registrar"]["state"] == "serving"
                && peers.iter().filter(settled).count() == registrars.len() - 1
                && count(&list["registrar"]) + known == pool_elements
        })
    })
    .await;
}

fn peers(registrar: &Registrar) -> Vec<Value> {
    registrar.json("/v1/registrars")["peers"].as_array().expect("a list").clone()
}

fn pools_of(registrar: &Registrar) -> usize {
    registrar.json("/v1/pools")["pools"].as_array().expect("a list").len()
}

/// The home of the pool element, as this registrar knows it.
fn home_of(registrar: &Registrar, pe: &PoolElement) -> String {
    let pool = registrar.json("/v1/pools/echo");
    let elements = pool["pool_elements"].as_array().expect("a list");
    let element = elements.iter().find(|element| element["id"] == pe.handle().id.to_string());
    element.expect("it is there all the time")["home"].as_str().expect("text").to_owned()
}

/// Waits, however busy the machine; whoever answers keep-alives meanwhile can do so.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < limit, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn patient() -> Config {
    let mut config = Config::of(Profile::Fast);
    for (table, name, value) in sim::process::patience() {
        match table {
            "endpoint" => config.endpoint.set(name, value).expect("a setting"),
            _ => config.session.set(name, value).expect("a setting"),
        }
    }
    config
}

/// Pool elements are asked whether they live, and registrars; but whoever has to wait for a processor is not dead. Who is killed is noticed by
/// its connections.
const WATCHFUL: [&str; 8] = [
    "--set",
    "keep_alive_interval=500ms",
    "--set",
    "keep_alive_timeout=20s",
    "--set",
    "connect_timeout=20s",
    "--set",
    "max_time_no_response=5s",
];
