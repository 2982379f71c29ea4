//! In the tests of the endpoints: every answer is one that the document has, whatever the test is about.

use crate::http::endpoint::Endpoint;
use crate::http::{State, document};
use actix_web::body::MessageBody as _;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::{Value, json};

/// The answer as it is or, where the document does not have it, one that no test expects.
pub(in crate::http) fn answer(
    state: &State,
    endpoints: &[Endpoint],
    request: &HttpRequest,
    response: HttpResponse,
) -> HttpResponse {
    let asked = |endpoint: &&Endpoint| endpoint.answers(request.method());
    // An escape in a path makes it another one, of which the document knows nothing.
    let Some(endpoint) = endpoints.iter().find(asked) else {
        return response;
    };
    if request.path().contains('%') {
        return response;
    }
    let document: Value = serde_json::from_slice(document::of(state).content()).unwrap();
    let method = endpoint.method.as_str().to_ascii_lowercase();
    let operation = &document["paths"][endpoint.path][method];
    // What `--ops-listen` answers alone is not for clients.
    if operation.is_null() {
        return response;
    }
    let (head, body) = response.into_parts();
    let held = |body: &[u8]| differs(&document, operation, head.status(), head.headers(), body);
    let (found, body) = match body.try_into_bytes() {
        Ok(bytes) => (held(&bytes), actix_web::body::BoxBody::new(bytes)),
        // A stream: what comes in it is another test's matter.
        Err(stream) => (held(&Bytes::new()), stream),
    };
    let call = format!("{} {}", endpoint.method, endpoint.path);
    match found {
        None => head.set_body(body),
        Some(what) => HttpResponse::build(StatusCode::from_u16(599).unwrap())
            .body(format!("{call} is not as documented: {what}")),
    }
}

fn differs(
    document: &Value,
    operation: &Value,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<String> {
    let text = || String::from_utf8_lossy(body).into_owned();
    let answer = resolved(document, &operation["responses"][status.as_str()]);
    if answer.is_null() {
        return Some(format!("the status {status}: {}", text()));
    }
    for (name, header) in answer["headers"].as_object()? {
        let always = resolved(document, header)["required"] == true;
        // Which every answer is given after this.
        if always && name != "X-Request-Id" && !headers.contains_key(name) {
            return Some(format!("no {name}: {}", text()));
        }
    }
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap());
    let Some(kind) = kind else {
        let bodiless = answer["content"].is_null() && body.is_empty();
        return (!bodiless).then(|| "an answer without a type".to_owned());
    };
    let content = &answer["content"][kind];
    if content.is_null() {
        return Some(format!("the type {kind} with {status}: {}", text()));
    }
    let says_nothing = content["schema"].is_null();
    if says_nothing || kind != "application/json" && !kind.ends_with("+json") {
        return None;
    }
    let found: Value = serde_json::from_slice(body).unwrap();
    // A member that nobody described would be one that nobody noticed.
    let strict = json!({ "allOf": [content["schema"]], "unevaluatedProperties": false });
    let wrong = validator(document, strict)
        .iter_errors(&found)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect::<Vec<_>>();
    (!wrong.is_empty()).then(|| format!("{}: {found}", wrong.join("; ")))
}

/// What a reference stands for.
pub(in crate::http) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => value,
    }
}

/// For one schema of the document.
pub(in crate::http) fn validator(document: &Value, mut schema: Value) -> jsonschema::Validator {
    schema["components"] = document["components"].clone();
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}
