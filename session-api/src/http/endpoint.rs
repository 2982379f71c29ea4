//! One row of the route table: a call, its handler, and what the document says of it.

use super::call::Call;
use super::handler::{Answer as _, Handler, Header, Input as _, Success};
use super::json::Takes;
use super::kind::Kind;
use super::parameter::{Described, Parameter, Place};
use super::problem::Error;
use super::schemas::Schemas;
use super::security::Credential;
use actix_web::HttpResponse;
use actix_web::http::Method;
use futures::future::LocalBoxFuture;
use schemars::{JsonSchema, Schema};

type Handle = Box<dyn Fn(Call) -> LocalBoxFuture<'static, Result<HttpResponse, Error>>>;

/// One row.
pub(super) struct Endpoint {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) takes: Takes,
    /// The query parameters that it knows.
    pub(super) query: Vec<&'static str>,
    pub(super) handle: Handle,
    /// What it does, in a few words.
    pub(super) summary: &'static str,
    /// All that its caller has to know.
    pub(super) about: &'static str,
    pub(super) group: &'static str,
    pub(super) credential: Credential,
    pub(super) parameters: Vec<Described>,
    pub(super) body: fn(&mut Schemas) -> Option<Schema>,
    pub(super) successes: fn(&mut Schemas) -> Vec<Success>,
    /// Of every answer where all goes well.
    pub(super) headers: Vec<&'static Header>,
    /// Why it may be refused, beside what every call and every credential has.
    pub(super) kinds: Vec<&'static Kind>,
    /// Whether it speaks of a wrong form in the words of OAuth.
    pub(super) oauth: bool,
    /// Whether it asks a database.
    pub(super) asks: bool,
}

/// A row that does not yet say what it is for.
pub(super) struct Undescribed(Endpoint);

pub(super) fn get<I>(path: &'static str, handler: impl Handler<I>) -> Undescribed {
    Undescribed::new(Method::GET, path, handler)
}

pub(super) fn post<I>(path: &'static str, handler: impl Handler<I>) -> Undescribed {
    Undescribed::new(Method::POST, path, handler)
}

pub(super) fn put<I>(path: &'static str, handler: impl Handler<I>) -> Undescribed {
    Undescribed::new(Method::PUT, path, handler)
}

pub(super) fn delete<I>(path: &'static str, handler: impl Handler<I>) -> Undescribed {
    Undescribed::new(Method::DELETE, path, handler)
}

impl Undescribed {
    fn new<I, H: Handler<I>>(method: Method, path: &'static str, handler: H) -> Self {
        Self(Endpoint {
            method,
            path,
            takes: H::Input::TAKES,
            query: Vec::new(),
            handle: Box::new(move |call| handler.handle(call)),
            summary: "",
            about: "",
            group: "",
            credential: Credential::Nothing,
            parameters: Vec::new(),
            body: H::Input::schema,
            successes: H::Answer::describe,
            headers: Vec::new(),
            kinds: Vec::new(),
            oauth: false,
            asks: true,
        })
    }

    /// By what it is authenticated, what it does in a few words, and all that its caller has to know.
    pub(super) fn says(
        self,
        credential: Credential,
        summary: &'static str,
        about: &'static str,
    ) -> Endpoint {
        Endpoint {
            credential,
            summary,
            about,
            ..self.0
        }
    }
}

impl Endpoint {
    pub(super) fn path<T: JsonSchema>(self, parameter: &Parameter<T>) -> Self {
        self.parameter(Place::Path, parameter)
    }

    pub(super) fn query<T: JsonSchema>(mut self, parameter: &Parameter<T>) -> Self {
        self.query.push(parameter.name);
        self.parameter(Place::Query, parameter)
    }

    pub(super) fn header<T: JsonSchema>(self, parameter: &Parameter<T>) -> Self {
        self.parameter(Place::Header, parameter)
    }

    fn parameter<T: JsonSchema>(mut self, place: Place, parameter: &Parameter<T>) -> Self {
        self.parameters.push(Described::new(place, parameter));
        self
    }

    /// A header of every answer where all goes well.
    pub(super) fn gives(mut self, header: &'static Header) -> Self {
        self.headers.push(header);
        self
    }

    /// Why it may be refused, beside what every call and every credential has.
    pub(super) fn refuses(mut self, kinds: &[&'static Kind]) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// It speaks of a wrong form in the words of OAuth.
    pub(super) fn speaks_oauth(self) -> Self {
        let oauth = true;
        Self { oauth, ..self }
    }

    /// It asks no database, and so is never overloaded.
    pub(super) fn asks_nobody(self) -> Self {
        let asks = false;
        Self { asks, ..self }
    }

    /// Whether it answers `method`. A `HEAD` is a `GET` whose body nobody sends (RFC 9110, section
    /// 9.3.2).
    pub(super) fn answers(&self, method: &Method) -> bool {
        self.method == method || (self.method == Method::GET && method == Method::HEAD)
    }
}
