// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pool`: what there is, and what changes.

use serde_json::json;
use sim::process::{Process, Signal};

use crate::support::{Pe, event, json, registrar, rsp_at, run};

#[test]
fn show_lists_the_elements_with_their_weights() {
    let registrar = registrar();
    let one = Pe::start(&registrar, "echo", &["--policy", "wrr", "--weight", "5", "--id", "0x2a", "--", "echo"]);
    assert_eq!(one.id, "0x0000002a");
    let end = run(rsp_at(&registrar, &["pool", "show", "echo", "-o", "json"]));
    assert_eq!(end.code, Some(0), "{}", end.errors);
    let pool = json(&end.lines[0]);
    assert_eq!((&pool["handle"], &pool["policy"]), (&json!("echo"), &json!("WeightedRoundRobin")));
    let element = &pool["pool_elements"][0];
    assert_eq!((&element["id"], &element["policy"]), (&json!("0x0000002a"), &json!({"weight": 5})));
    let port: u16 = one.listen.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(
        element["transport"],
        json!({"protocol": "sctp", "use": "data+control", "port": port, "addresses": ["127.0.0.1"]})
    );

    let table = run(rsp_at(&registrar, &["pool", "show", "echo"]));
    assert_eq!(table.lines[0], "Pool echo: policy WRR, 1 elements");
    assert!(table.lines[2].contains("0x0000002a") && table.lines[2].contains("WRR weight=5"), "{:?}", table.lines);
}

#[test]
fn show_asks_for_as_many_elements_as_are_wanted() {
    let registrar = registrar();
    let _pes: Vec<Pe> = (0..5).map(|_| Pe::start(&registrar, "many", &["--", "discard"])).collect();
    // 0 leaves it to the registrar, whose default_items is 3.
    for (items, shown) in [("1", 1), ("2", 2), ("all", 5), ("0xffffffff", 5), ("9", 5), ("0", 3)] {
        let end = run(rsp_at(&registrar, &["pool", "show", "many", "--items", items, "-o", "jsonl"]));
        assert_eq!((end.code, end.lines.len()), (Some(0), shown), "{items}: {}", end.errors);
    }
}

#[test]
fn show_waits_for_as_many_elements_as_are_wanted() {
    let registrar = registrar();
    let waiting = Process::spawn(rsp_at(&registrar, &["pool", "show", "late", "--wait", "2", "-o", "jsonl"]));
    let _pes: Vec<Pe> = (0..2).map(|_| Pe::start(&registrar, "late", &["--", "discard"])).collect();
    let end = waiting.finish();
    assert_eq!((end.code, end.lines.len()), (Some(0), 2), "{}", end.errors);
}

#[test]
fn ls_lists_the_pools_of_a_registrar() {
    let registrar = registrar();
    let _echo = Pe::start(&registrar, "echo", &["--", "echo"]);
    let _sink: Vec<Pe> =
        (0..2).map(|_| Pe::start(&registrar, "sink", &["--policy", "lu", "--load", "0.5", "--", "discard"])).collect();
    let end = run(rsp_at(&registrar, &["pool", "ls", "-o", "jsonl"]));
    assert_eq!(end.code, Some(0), "{}", end.errors);
    let pools: Vec<_> = end.lines.iter().map(|line| json(line)).collect();
    let pools: Vec<_> = pools.iter().map(|pool| (&pool["handle"], &pool["policy"], &pool["elements"])).collect();
    assert_eq!(
        pools,
        [(&json!("echo"), &json!("RoundRobin"), &json!(1)), (&json!("sink"), &json!("LeastUsed"), &json!(2)),]
    );
    // Whom RSERPOOL_REGISTRARS names has nothing to do with it.
    let mut ls = rsp_at(&registrar, &["pool", "ls"]);
    ls.env("RSERPOOL_REGISTRARS", "192.0.2.1:3863");
    let table = run(ls);
    assert_eq!(table.lines[0], format!("Pools of the registrar at http://{}", registrar.admin));
    let words: Vec<Vec<&str>> = table.lines[1..].iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["POOL", "POLICY", "TRANSPORT", "ELEMENTS", "SUBSCRIBERS"]);
    assert_eq!(words[2][..4], ["sink", "LeastUsed", "sctp", "2"]);
}

#[test]
fn watch_prints_each_element_that_comes_and_goes_until_it_is_interrupted() {
    let registrar = registrar();
    let watch = Process::spawn(rsp_at(&registrar, &["pool", "watch", "echo", "-o", "json"]));
    watch.wait_for_error("there is no pool \"echo\" yet");
    let mut pe = Pe::start(&registrar, "echo", &["--", "echo"]);
    assert_eq!(event(&watch, "added")["pool_element"]["id"], pe.id.as_str());
    let leaving = Pe::start(&registrar, "echo", &["--", "echo"]);
    assert_eq!(event(&watch, "added")["pool_element"]["id"], leaving.id.as_str());
    leaving.process.signal(Signal::SIGINT);
    assert_eq!(event(&watch, "removed")["pool_element"]["id"], leaving.id.as_str());
    pe.process.kill();
    let removed = event(&watch, "removed");
    assert_eq!(removed["pool_element"]["id"], pe.id.as_str());
    assert!(removed["time_ms"].as_u64() > Some(1_600_000_000_000) && removed["pool_element"]["home"].is_null());
    drop(registrar);
    assert!(event(&watch, "stale")["reason"].as_str().is_some_and(|reason| reason.contains("no registrar answers")));
    watch.signal(Signal::SIGINT);
    assert_eq!(watch.finish().code, Some(0));
}
