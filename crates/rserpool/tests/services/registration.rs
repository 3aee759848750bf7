// SPDX-License-Identifier: MIT OR Apache-2.0
//! REGISTER and DEREGISTER (seed 001 §4.2, seed 004 §4.2).

use rserpool::{Error, Items, Mapping, Policy, PoolElement};

use crate::stage::{Stage, on_each_transport};

on_each_transport![
    register_answers_the_instance_and_deregister_takes_it_away,
    a_policy_that_is_not_the_pools_is_rejected_with_the_registrars_cause,
    a_server_with_several_mappings_is_one_instance,
];

async fn register_answers_the_instance_and_deregister_takes_it_away(stage: Stage) {
    let user = stage.user().await;
    let element = stage.element(&user).policy(Policy::LeastUsed { load: 0.5 }).register().await.expect("it is taken");
    let handle = element.handle().clone();
    assert_eq!(handle.mapping, stage.mapping());
    let pool = user.resolve_fresh("echo", Items::All).await.expect("the pool is there");
    assert_eq!(pool.elements.iter().map(|it| it.id).collect::<Vec<_>>(), [handle.id]);
    element.deregister().await.expect("it leaves");
    let gone = user.resolve_fresh("echo", Items::All).await;
    assert!(matches!(&gone, Err(Error::UnknownPool { pool, .. }) if *pool == handle.pool), "{gone:?}");
}

async fn a_policy_that_is_not_the_pools_is_rejected_with_the_registrars_cause(stage: Stage) {
    let user = stage.user().await;
    let _first = stage.element(&user).policy(Policy::RoundRobin).register().await.expect("it is taken");
    let other = stage.element(&user).policy(Policy::Random).register().await;
    assert!(matches!(other, Err(Error::Rejected(_))), "{other:?}");
}

async fn a_server_with_several_mappings_is_one_instance(stage: Stage) {
    let user = stage.user().await;
    let builder =
        PoolElement::builder("web").user(&user).listen("127.0.0.1:0").mappings([stage.mapping(), Mapping::None]);
    let element = builder.advertise(["127.0.0.1:8080".parse().expect("an address")]).register().await;
    let element = element.expect("both registrations are taken");
    let ids = async |pool: &str| {
        let pool = user.resolve_fresh(pool, Items::All).await.expect("the pool is there");
        pool.elements.iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(ids("web").await, [element.handle().id]);
    assert_eq!(ids("web#none").await, [element.handle().id]);
    element.deregister().await.expect("it leaves");
    for pool in ["web", "web#none"] {
        let gone = user.resolve_fresh(pool, Items::All).await;
        assert!(matches!(gone, Err(Error::UnknownPool { .. })), "{pool}: {gone:?}");
    }
}
