//! What bodies and parameters look like: JSON Schemas, made of the types that are read and written.

use crate::session::Roles;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Schemas for one document. What has a name stands in the document once.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self {
            requests: settings.clone().for_deserialize().into_generator(),
            answers: settings.for_serialize().into_generator(),
        }
    }

    /// Of what a client sends. Its type may let a member be absent that it always writes.
    pub(super) fn of_request<T: JsonSchema + ?Sized>(&mut self) -> Schema {
        self.requests.subschema_for::<T>()
    }

    /// Of what the service answers.
    pub(super) fn of_answer<T: JsonSchema + ?Sized>(&mut self) -> Schema {
        self.answers.subschema_for::<T>()
    }

    /// What a type of an answer says of itself.
    pub(super) fn about<T: JsonSchema + ?Sized>(&mut self) -> String {
        let schema = T::json_schema(&mut self.answers);
        let about = schema.get("description").and_then(Value::as_str);
        about.unwrap_or("In order.").to_owned()
    }

    /// Those with names.
    pub(super) fn named(mut self) -> Map<String, Value> {
        let mut named = self.requests.take_definitions(true);
        for (name, schema) in self.answers.take_definitions(true) {
            let other = named.insert(name.clone(), schema);
            debug_assert!(
                other.is_none_or(|other| other == named[&name]),
                "{name} is sent in one form and answered in another: give one of them another name"
            );
        }
        named
    }
}

/// An example that stands in a file.
pub(super) fn example(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| unreachable!("the tests read them all"))
}

impl JsonSchema for Roles {
    fn schema_name() -> Cow<'static, str> {
        "Roles".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Names of roles. `admin` is that of operators; what others mean, services know.",
            "type": "array",
            "items": { "type": "string", "pattern": "^[a-z0-9:_-]{1,64}$" },
            "maxItems": Self::MAX,
        })
    }
}
