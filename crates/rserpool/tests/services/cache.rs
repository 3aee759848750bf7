// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cache, resolution, reports and load, RFC 5352 §6.3, §6.4 and §6.9, seed 002.

use std::time::Duration;

use rserpool::{Error, Items, PeHandle, Policy};

use crate::stage::{Stage, on_each_transport, until};

/// A cache entry does not grow stale while a test runs.
const NEVER: Duration = Duration::from_secs(3600);

on_each_transport![
    what_is_populated_is_answered_without_a_registrar,
    a_purged_pool_is_asked_for_anew,
    a_transport_failure_is_told_to_the_registrar_and_the_server_is_not_offered,
    get_next_server_reports_and_picks_another,
    the_handle_resolution_option_decides_how_many_come,
    a_resolver_sees_the_new_load_at_once_and_of_many_the_newest,
    an_instance_is_known_by_its_handle_and_leaves_by_deregistration,
];

async fn what_is_populated_is_answered_without_a_registrar(mut stage: Stage) {
    let server = stage.talker("echo").await;
    let user = stage.user_with(|config| config.endpoint.stale_cache_value = NEVER).await;
    user.cache_populate(&server.handle).await.unwrap();
    stage.registrar.process.kill();
    let pool = user.resolve("echo", Items::Default).await.unwrap();
    assert_eq!((pool.elements.len(), pool.stale), (1, false));
}

async fn a_purged_pool_is_asked_for_anew(stage: Stage) {
    let _first = stage.talker("echo").await;
    let user = stage.user_with(|config| config.endpoint.stale_cache_value = NEVER).await;
    user.cache_populate("echo").await.unwrap();
    let _second = stage.talker("echo").await;
    assert_eq!(user.resolve("echo", Items::All).await.unwrap().elements.len(), 1, "it is the cache that answers");
    user.cache_purge("echo");
    assert_eq!(user.resolve("echo", Items::All).await.unwrap().elements.len(), 2);
}

async fn a_transport_failure_is_told_to_the_registrar_and_the_server_is_not_offered(stage: Stage) {
    let servers = [stage.talker("echo").await, stage.talker("echo").await];
    let user = stage.user_with(|config| config.endpoint.failed_hold = NEVER).await;
    let failed = servers[0].handle.clone();
    assert!(user.transport_failure("echo", failed.addrs[0]).await.unwrap());
    assert!(!user.transport_failure("echo", "127.0.0.1:1".parse().unwrap()).await.unwrap());
    for _ in 0..4 {
        assert_eq!(user.get_primary_server("echo").await.unwrap().id, servers[1].handle.id);
    }
}

async fn get_next_server_reports_and_picks_another(stage: Stage) {
    let servers = [stage.talker("web").await, stage.talker("web").await];
    let user = stage.user().await;
    let first = user.get_primary_server("web").await.unwrap();
    let next = user.get_next_server(&first).await.unwrap();
    assert_ne!(first.id, next.id);
    let mut offered = [first.id, next.id];
    let mut known: [_; 2] = std::array::from_fn(|n| servers[n].handle.id);
    offered.sort();
    known.sort();
    assert_eq!(offered, known);
}

async fn the_handle_resolution_option_decides_how_many_come(stage: Stage) {
    let mut servers = Vec::new();
    for _ in 0..5 {
        servers.push(stage.talker("echo").await);
    }
    let user = stage.user().await;
    let number = async |items| {
        let pool = user.resolve_fresh("echo", items).await.unwrap();
        (pool.elements.len(), pool.complete)
    };
    // 0: the registrar's default, which is 3 in this profile. 0xffffffff: all.
    assert_eq!(number(Items::Default).await, (3, false));
    assert_eq!(number(Items::AtMost(1)).await, (1, false));
    assert_eq!(number(Items::AtMost(4)).await, (4, false));
    assert_eq!(number(Items::AtMost(9)).await, (5, true));
    assert_eq!(number(Items::All).await, (5, true));
}

async fn a_resolver_sees_the_new_load_at_once_and_of_many_the_newest(stage: Stage) {
    let own = stage.user().await;
    let pe = stage.member("lu", &own).policy(Policy::LeastUsed { load: 0.0 });
    let pe = pe.register().await.unwrap();
    let user = stage.user().await;
    let load = async || match user.resolve_fresh("lu", Items::All).await.unwrap().elements[0].policy {
        rsp_wire::parameter::Policy::LeastUsed { load } => load,
        ref other => panic!("{other:?}"),
    };
    pe.update(Policy::LeastUsed { load: 1.0 }).await.unwrap();
    until(async || load().await == u32::MAX).await;
    // More than the registration may change in that time: the newest counts, whenever it was allowed to go.
    for step in 0..=100 {
        pe.update(Policy::LeastUsed { load: f64::from(step) / 200.0 }).await.unwrap();
    }
    until(async || load().await == u32::MAX / 2 + 1).await;
}

async fn an_instance_is_known_by_its_handle_and_leaves_by_deregistration(stage: Stage) {
    let (own, user) = (stage.user().await, stage.user().await);
    let pe = stage.member("echo", &own).register().await.unwrap();
    let pool = user.resolve_fresh("echo", Items::All).await.unwrap();
    let handle: &PeHandle = pe.handle();
    assert_eq!((pool.elements[0].id, pool.elements.len()), (handle.id, 1));
    pe.deregister().await.unwrap();
    let gone = user.resolve_fresh("echo", Items::All).await;
    assert!(matches!(gone, Err(Error::UnknownPool { .. })), "{gone:?}");
}
