//! The description of the API by OpenAPI 3.1, made of the route table and of the types that handlers
//! take and give.
//!
//! It is made when it is first asked for. In the tests of this module's parent every answer is held
//! against it; see `check`.

#[cfg(test)]
pub(super) mod check;
mod operation;

use super::endpoint::Endpoint;
use super::kind;
use super::pages::{File, Kind};
use super::schemas::Schemas;
use super::settings::HttpSettings;
use super::table::GROUPS;
use super::{State, public_endpoints, security};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// What every caller has to know, before the calls.
const OVERVIEW: &str = include_str!("overview.md");

/// The description of what `state` serves, as a file.
pub(super) fn of(state: &State) -> &File<Document> {
    state.document.get_or_init(|| {
        let settings = &state.app.settings;
        let issuer = &state.app.service.settings().issuer.issuer;
        let document = Document::of(&public_endpoints(state), settings, issuer);
        let text = serde_json::to_string(&document);
        File::new(text.unwrap_or_else(|_| unreachable!("text and JSON values serialise")))
    })
}

impl Kind for Document {
    const TYPE: &'static str = "application/json";
    const PAGE: bool = false;
}

/// The whole of it.
#[derive(Serialize)]
pub(super) struct Document {
    openapi: &'static str,
    info: Value,
    servers: Value,
    tags: Vec<Value>,
    paths: InOrder<InOrder<Value>>,
    components: Value,
}

impl Document {
    fn of(endpoints: &[Endpoint], settings: &HttpSettings, issuer: &str) -> Self {
        let mut schemas = Schemas::new();
        let mut paths: InOrder<InOrder<Value>> = InOrder(Vec::new());
        for endpoint in endpoints {
            let operation = operation::object(endpoint, settings, &mut schemas);
            let method = endpoint.method.as_str().to_ascii_lowercase();
            let operations = paths.entry(endpoint.path);
            operations.0.push((method, operation));
        }
        let tags = GROUPS.map(|group| json!({ "name": group.name, "description": group.about }));
        let mut responses = Map::new();
        let mut problems = Vec::new();
        for kind in kind::ALL {
            responses.insert(kind.component(), operation::refusal(&[kind]));
            problems.push((kind.component(), kind.schema(&mut schemas)));
        }
        let mut named = schemas.named();
        named.extend(problems);
        Self {
            openapi: "3.1.1",
            info: json!({
                "title": "Portcullis",
                "summary": "Sessions whose end every service knows at once.",
                "description": overview(),
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            }),
            servers: json!([{ "url": server(issuer, &settings.base_path) }]),
            tags: tags.into(),
            paths,
            components: json!({
                "schemas": named,
                "responses": responses,
                "headers": operation::headers(),
                "securitySchemes": security::schemes(),
            }),
        }
    }
}

fn overview() -> String {
    let line = |kind: &&kind::Kind| format!("- `{}` {}: {}\n", kind.slug, kind.status, kind.about);
    let problems: String = kind::ALL.iter().map(line).collect();
    OVERVIEW.replace("{problems}", problems.trim_end())
}

/// Where clients find the service: the issuer with the prefix of the routes, where there is one.
fn server(issuer: &str, base_path: &str) -> String {
    let origin = || Some(url::Url::parse(issuer).ok()?.origin().ascii_serialization());
    match base_path {
        "" => issuer.to_owned(),
        path => origin().map_or_else(|| path.to_owned(), |origin| origin + path),
    }
}

/// A JSON object whose members stand as they were put in: calls in the order of the route table.
struct InOrder<T>(Vec<(String, T)>);

impl<T> InOrder<InOrder<T>> {
    fn entry(&mut self, name: &str) -> &mut InOrder<T> {
        let found = self.0.iter().position(|(found, _)| found == name);
        let index = found.unwrap_or_else(|| {
            self.0.push((name.to_owned(), InOrder(Vec::new())));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

impl<T: Serialize> Serialize for InOrder<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::server;

    #[test]
    fn the_server_is_where_the_routes_begin() {
        for (issuer, base_path, expected) in [
            ("https://id.example.com", "", "https://id.example.com"),
            (
                "https://id.example.com",
                "/auth",
                "https://id.example.com/auth",
            ),
            (
                "https://example.com/auth",
                "/auth",
                "https://example.com/auth",
            ),
            ("https://example.com/auth", "", "https://example.com/auth"),
            ("http://127.0.0.1:8080", "/a/b", "http://127.0.0.1:8080/a/b"),
        ] {
            assert_eq!(server(issuer, base_path), expected);
        }
    }
}
