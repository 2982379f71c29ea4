//! One call, as OpenAPI has it.

use crate::http::endpoint::Endpoint;
use crate::http::handler::{Header, Success};
use crate::http::json::{MAX_LEN, Takes};
use crate::http::kind::{self, Kind};
use crate::http::parameter::Place;
use crate::http::problem::OAuthProblem;
use crate::http::schemas::Schemas;
use crate::http::settings::HttpSettings;
use schemars::Schema;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use verifier_sdk::problem::CONTENT_TYPE;

pub(super) fn object(endpoint: &Endpoint, settings: &HttpSettings, schemas: &mut Schemas) -> Value {
    let parameters = endpoint.parameters.iter();
    let parameters: Vec<_> = parameters.map(|one| one.object(schemas)).collect();
    let safe = endpoint.method.is_safe();
    let mut operation = json!({
        "operationId": id(endpoint),
        "tags": [endpoint.group],
        "summary": endpoint.summary,
        "description": endpoint.about,
        "security": endpoint.credential.requirements(settings, safe),
        "parameters": parameters,
        "responses": responses(endpoint, settings, schemas),
    });
    if let Some(schema) = (endpoint.body)(schemas) {
        operation["requestBody"] = body(endpoint.takes, &schema);
    }
    operation
}

/// `delete_sessions_id`: a name that lasts as long as the path.
fn id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(|c: char| !c.is_ascii_alphanumeric());
    let method = endpoint.method.as_str().to_ascii_lowercase();
    let words: Vec<_> = std::iter::once(&*method)
        .chain(words.filter(|word| !word.is_empty()))
        .collect();
    words.join("_")
}

fn body(takes: Takes, schema: &Schema) -> Value {
    let kind = if takes == Takes::Form {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    };
    json!({
        "description": format!("{} KiB at most.", MAX_LEN / 1024),
        "required": takes != Takes::JsonOrNothing,
        "content": { kind: { "schema": schema } },
    })
}

fn responses(endpoint: &Endpoint, settings: &HttpSettings, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    for success in (endpoint.successes)(schemas) {
        let status = success.status.to_string();
        responses.insert(status, answer(&success, &endpoint.headers));
    }
    let mut by_status: BTreeMap<u16, Vec<&'static Kind>> = BTreeMap::new();
    for kind in kinds(endpoint, settings) {
        by_status.entry(kind.status).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        let mut refusal = match kinds[..] {
            [only] => json!({ "$ref": format!("#/components/responses/{}", only.component()) }),
            _ => refusal(&kinds),
        };
        if endpoint.oauth && status == kind::BAD_REQUEST.status {
            refusal = self::refusal(&kinds);
            let schema = schemas.of_answer::<OAuthProblem>();
            refusal["content"]["application/json"] = json!({ "schema": schema });
        }
        responses.insert(status.to_string(), refusal);
    }
    responses.into()
}

/// All reasons for which a call may be refused.
pub(super) fn kinds(endpoint: &Endpoint, settings: &HttpSettings) -> Vec<&'static Kind> {
    let mut kinds = vec![
        &kind::BAD_REQUEST,
        &kind::TOO_LARGE,
        &kind::MEDIA_TYPE,
        &kind::INTERNAL,
    ];
    kinds.extend(endpoint.credential.kinds(settings));
    kinds.extend(&endpoint.kinds);
    let in_path = |place| endpoint.parameters.iter().any(|one| one.place == place);
    let conditional = [
        (&kind::OVERLOADED, endpoint.asks),
        (&kind::NOT_FOUND, in_path(Place::Path)),
        // A form is for programs and reads no cookie.
        (
            &kind::CSRF,
            !endpoint.method.is_safe() && endpoint.takes != Takes::Form,
        ),
    ];
    for (kind, applies) in conditional {
        if applies && !kinds.iter().any(|known| known.slug == kind.slug) {
            kinds.push(kind);
        }
    }
    kinds
}

fn answer(success: &Success, headers: &[&'static Header]) -> Value {
    let known = success.headers.iter().chain(headers);
    let named = known.map(|header| {
        let object = json!({
            "description": header.about,
            "required": header.always,
            "schema": { "type": "string" },
        });
        (header.name.to_owned(), object)
    });
    let mut headers: Map<String, Value> = named.collect();
    headers.insert("X-Request-Id".to_owned(), reference("X-Request-Id"));
    let mut answer = json!({ "description": success.about, "headers": headers });
    if let Some((kind, schema)) = &success.content {
        // A file is said to be one by its type.
        let says_nothing = schema.as_object().is_none_or(Map::is_empty);
        answer["content"] = if says_nothing {
            json!({ *kind: {} })
        } else {
            json!({ *kind: { "schema": schema } })
        };
    }
    answer
}

/// The answer that is one of these problems, which are of one status.
pub(super) fn refusal(kinds: &[&'static Kind]) -> Value {
    let about: Vec<_> = kinds
        .iter()
        .map(|kind| match kinds {
            [_] => kind.about.to_owned(),
            _ => format!("`{}`: {}", kind.slug, kind.about),
        })
        .collect();
    let schemas: Vec<_> = kinds
        .iter()
        .map(|kind| json!({ "$ref": format!("#/components/schemas/{}", kind.component()) }))
        .collect();
    let schema = match &schemas[..] {
        [only] => only.clone(),
        _ => json!({ "oneOf": schemas }),
    };
    let mut headers = json!({ "X-Request-Id": reference("X-Request-Id") });
    match kinds.first().map(|kind| kind.status) {
        Some(401) => headers["WWW-Authenticate"] = reference("WWW-Authenticate"),
        Some(405) => headers["Allow"] = reference("Allow"),
        Some(429 | 503) => headers["Retry-After"] = reference("Retry-After"),
        _ => {}
    }
    json!({
        "description": about.join("\n\n"),
        "headers": headers,
        "content": { CONTENT_TYPE: { "schema": schema } },
    })
}

fn reference(header: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{header}") })
}

/// Those that many answers have.
pub(super) fn headers() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "X-Request-Id": header(
            "The request's own, where it can stand in a log line (64 characters A-Z, a-z, 0-9, \
             `-`, `_` and `.`), else a new one: by it the service's log tells of the call.",
            &json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" }),
        ),
        "WWW-Authenticate": header("What the call wants to see, and why it did not do.", &text),
        "Retry-After": header(
            "When to come again, in seconds.",
            &json!({ "type": "integer", "minimum": 1 }),
        ),
        "Allow": header("The methods that the path takes.", &text),
    })
}

fn header(about: &str, schema: &Value) -> Value {
    json!({ "description": about, "required": true, "schema": schema })
}
