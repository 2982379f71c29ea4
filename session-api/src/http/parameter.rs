//! What a call takes beside its body: in the path, behind the `?`, and in headers.

use super::schemas::Schemas;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};
use std::marker::PhantomData;

/// A parameter whose text is a `T`.
pub(super) struct Parameter<T> {
    pub(super) name: &'static str,
    about: &'static str,
    pattern: Option<&'static str>,
    of: PhantomData<fn() -> T>,
}

impl<T> Parameter<T> {
    pub(super) const fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            pattern: None,
            of: PhantomData,
        }
    }

    /// The regular expression that its text matches.
    pub(super) const fn pattern(self, pattern: &'static str) -> Self {
        Self {
            pattern: Some(pattern),
            ..self
        }
    }
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

/// What the document says of a parameter.
pub(super) struct Described {
    pub(super) place: Place,
    pub(super) name: &'static str,
    about: &'static str,
    pattern: Option<&'static str>,
    schema: fn(&mut Schemas) -> Schema,
}

impl Described {
    pub(super) fn new<T: JsonSchema>(place: Place, parameter: &Parameter<T>) -> Self {
        Self {
            place,
            name: parameter.name,
            about: parameter.about,
            pattern: parameter.pattern,
            schema: Schemas::of_request::<T>,
        }
    }

    /// As OpenAPI has it.
    pub(super) fn object(&self, schemas: &mut Schemas) -> Value {
        let mut schema = (self.schema)(schemas);
        if let Some(pattern) = self.pattern {
            schema.insert("pattern".to_owned(), pattern.into());
        }
        let place = match self.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
        };
        json!({
            "name": self.name,
            "in": place,
            "description": self.about,
            "required": self.place == Place::Path,
            "schema": schema,
        })
    }
}
