//! `/openapi.json`: that it has everything, and says something of everything. That every answer is as it
//! says is looked at in all the other tests here; see [`crate::http::document::check`].

use super::*;
use crate::http::document::check::{resolved, validator};
use crate::http::kind;
use crate::http::problem::Error;
use crate::http::table;
use std::collections::BTreeSet;

async fn document(world: &World) -> Value {
    let answer = world.get("/openapi.json").await.must_be(200);
    assert_eq!(header(&answer, "content-type"), "application/json");
    answer.body
}

/// Every call: its path, its method and what the document says of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let calls = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods
            .iter()
            .map(move |(method, operation)| (&**path, &**method, operation))
    });
    calls.collect()
}

#[tokio::test]
async fn the_document_has_the_calls_of_the_route_table_and_no_others() {
    let world = World::begins().await;
    let document = document(&world).await;
    let documented: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(path, method, _)| (method.to_ascii_uppercase(), path.to_owned()))
        .collect();
    let served: BTreeSet<_> = table::endpoints()
        .into_iter()
        .map(|endpoint| (endpoint.method.to_string(), endpoint.path.to_owned()))
        .collect();
    assert_eq!(documented, served);
    assert_eq!(document["openapi"], "3.1.1");
}

#[tokio::test]
async fn a_call_has_a_name_of_its_own_and_a_parameter_for_each_gap_in_its_path() {
    let world = World::begins().await;
    let document = document(&world).await;
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        assert!(
            names.insert(operation["operationId"].as_str().unwrap()),
            "{method} {path}"
        );
        let gaps: BTreeSet<_> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation["parameters"].as_array().unwrap();
        let filled: BTreeSet<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(gaps, filled, "{method} {path}");
    }
}

/// Every object in the document, with the way to it.
fn objects<'a>(value: &'a Value, way: &str, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(members) => {
            found.push((way.to_owned(), value));
            for (name, member) in members {
                if name != "examples" {
                    objects(member, &format!("{way}/{name}"), found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, &format!("{way}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn says(value: &Value) -> bool {
    let text = value["description"].as_str().unwrap_or_default();
    text.ends_with(['.', '?'])
}

#[tokio::test]
async fn nothing_is_without_a_description() {
    let world = World::begins().await;
    let document = document(&world).await;
    let mut silent = Vec::new();
    let mut all = Vec::new();
    objects(&document, "", &mut all);
    for (way, object) in &all {
        // A member says what it is for, whatever its type says of itself.
        let members = object["properties"].as_object().into_iter().flatten();
        let parameters = object["parameters"].as_array().into_iter().flatten();
        let own = members
            .map(|(name, value)| (name.clone(), value))
            .chain(parameters.map(|value| (value["name"].to_string(), value)));
        let shared = ["responses", "headers", "schemas"]
            .into_iter()
            .filter_map(|place| object[place].as_object())
            .flatten()
            .map(|(name, value)| (name.clone(), resolved(&document, value)));
        for (name, value) in own.chain(shared) {
            if !says(value) {
                silent.push(format!("{way}: {name}"));
            }
        }
    }
    for (path, method, operation) in operations(&document) {
        let summary = operation["summary"].as_str().unwrap_or_default();
        if summary.is_empty() || summary.ends_with('.') || !says(operation) {
            silent.push(format!("{method} {path}"));
        }
    }
    assert_eq!(silent, [""; 0]);
}

#[tokio::test]
async fn examples_are_as_their_schemas_say() {
    let world = World::begins().await;
    let document = document(&world).await;
    let mut all = Vec::new();
    objects(&document, "", &mut all);
    let mut seen = 0;
    for (way, object) in all {
        for example in object["examples"].as_array().into_iter().flatten() {
            let strict = json!({ "allOf": [object], "unevaluatedProperties": false });
            let result = validator(&document, strict)
                .validate(example)
                .map_err(|e| e.to_string());
            assert_eq!(result, Ok(()), "{way}: {example}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[tokio::test]
async fn every_body_and_every_answer_with_members_has_an_example() {
    let world = World::begins().await;
    let document = document(&world).await;
    for (path, method, operation) in operations(&document) {
        let answers = operation["responses"].as_object().unwrap();
        let good = answers.iter().filter(|(status, _)| status.starts_with('2'));
        let bodies = good.map(|(_, answer)| answer);
        for body in bodies.chain([&operation["requestBody"]]) {
            for (kind, content) in body["content"].as_object().into_iter().flatten() {
                let schema = resolved(&document, &content["schema"]);
                let items = resolved(&document, &schema["properties"]["items"]["items"]);
                let has = |schema: &Value| schema["examples"].is_array();
                let needs = schema["properties"].is_object() || schema["anyOf"].is_array();
                assert!(
                    !needs || has(schema) || has(items),
                    "{method} {path}: {kind}"
                );
            }
        }
    }
}

#[tokio::test]
async fn every_type_of_problem_is_documented() {
    let world = World::begins().await;
    let document = document(&world).await;
    let all: BTreeSet<_> = kind::ALL.iter().map(|kind| kind.slug).collect();
    // The contract's.
    let expected = [
        "bad-credentials",
        "bad-request",
        "conflict",
        "csrf",
        "forbidden",
        "internal",
        "media-type",
        "method",
        "not-found",
        "overloaded",
        "password-refused",
        "rate-limited",
        "session-ended",
        "step-up",
        "token-invalid",
        "token-missing",
        "too-large",
        "verifier-stale",
        "verifier-starting",
    ];
    assert_eq!(all, BTreeSet::from(expected));
    let calls = document["paths"].to_string();
    let overview = document["info"]["description"].as_str().unwrap();
    for kind in kind::ALL {
        let component = kind.component();
        let schema = &document["components"]["schemas"][&component];
        let name = format!("urn:portcullis:{}", kind.slug);
        assert_eq!(schema["properties"]["type"]["const"], *name);
        assert!(overview.contains(&format!("- `{}`", kind.slug)));
        // One is answered where no call is, and two are verifiers'.
        let elsewhere = ["method", "verifier-stale", "verifier-starting"].contains(&kind.slug);
        assert_ne!(
            calls.contains(&format!("/{component}\"")),
            elsewhere,
            "{component}"
        );
    }
}

/// The types that the SDK answers with are described here once more.
#[test]
fn problems_of_the_sdk_are_as_they_are_described() {
    use verifier_sdk::{Error as Sdk, Reason};
    let retry_after = Duration::from_secs(1);
    for (error, kind) in [
        (Sdk::Missing, &kind::TOKEN_MISSING),
        (Sdk::Invalid(Reason::Revoked), &kind::TOKEN_INVALID),
        (Sdk::Csrf, &kind::CSRF),
        (Sdk::Forbidden, &kind::FORBIDDEN),
        (Sdk::Stale { retry_after }, &kind::VERIFIER_STALE),
        (Sdk::Starting { retry_after }, &kind::VERIFIER_STARTING),
    ] {
        let answered = verifier_sdk::problem::Problem::from(&error);
        assert_eq!(answered.body(), kind.problem().body());
    }
    let ambiguous = Error::from(Sdk::Ambiguous).response();
    assert_eq!(ambiguous.status().as_u16(), kind::BAD_REQUEST.status);
}

#[tokio::test]
async fn the_document_is_sent_once() {
    let world = World::begins().await;
    let first = world.get("/openapi.json").await.must_be(200);
    let tag = header(&first, "etag").to_owned();
    let again = world.request("GET", "/openapi.json");
    Answer::of(again.header("if-none-match", tag))
        .await
        .must_be(304);
}

#[tokio::test]
async fn the_document_knows_what_the_operator_has_set() {
    let closed = World::begins_with(|plan| {
        plan.issuer = Some("https://id.example.com".to_owned());
        plan.http.base_path = "/auth".to_owned();
        plan.http.open_registration = false;
        plan.http.ops_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let closed = closed.get("/auth/openapi.json").await.must_be(200).body;
    assert_eq!(
        closed["servers"],
        json!([{ "url": "https://id.example.com/auth" }])
    );
    let register = &closed["paths"]["/users"]["post"];
    assert_eq!(register["security"][0], json!({ "access_token": [] }));
    assert_ne!(register["responses"]["403"], Value::Null);
    assert_eq!(closed["paths"]["/metrics"], Value::Null);

    let open = World::begins_with(|plan| plan.http.open_feed = true).await;
    let url = open.url.clone();
    let open = document(&open).await;
    assert_eq!(open["servers"], json!([{ "url": url }]));
    assert_eq!(open["paths"]["/users"]["post"]["security"], json!([]));
    let feed = &open["paths"]["/revocations"]["get"];
    assert_eq!(feed["security"], json!([{ "client": [] }, {}]));
}
