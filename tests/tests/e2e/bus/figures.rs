//! `/metrics`, as Prometheus reads it and as strangers might.

use crate::revocation::World;
use std::collections::HashMap;
use tests::figures::figures;

/// Each line is a value of a family that was announced, and counters, alone, end in `_total`.
fn is_well_formed(text: &str) {
    let mut families = HashMap::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(name.starts_with("portcullis_"), "{line}");
            assert_eq!(families.insert(name, kind), None, "{name} twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            let part = |end| name.strip_suffix(end).and_then(|name| families.get(name));
            let summary = part("_sum").or(part("_count")) == Some(&"summary");
            assert!(summary || families.contains_key(name), "{line}");
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
        }
    }
    assert!(families.len() > 5, "{text}");
}

#[tokio::test]
async fn they_are_prometheus_and_name_nobody() {
    let world = World::begins().await;
    let gate = world.gate().await;
    let mut alice = world.alice();
    let login = alice.logs_in().await.body;
    assert!(gate.accepts(&alice.access_token()).await);
    alice.logs_out().await;
    let ids = ["user", "session"].map(|whose| login[whose]["id"].as_str().unwrap());
    for url in [world.service.url(), &gate.url("")] {
        let text = figures(url).await;
        is_well_formed(&text);
        for word in ids
            .into_iter()
            .chain(["alice", "root", "127.0.0.1", "orders"])
        {
            assert!(!text.contains(word), "{word} in\n{text}");
        }
    }
}
