//! What a handler takes and what it gives. The document knows both by these types, so a handler cannot
//! read one thing and be described as reading another.

use super::call::Call;
use super::json::{self, Body, Takes};
use super::problem::Error;
use super::schemas::Schemas;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures::future::LocalBoxFuture;
use futures::{FutureExt as _, Stream};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use std::convert::Infallible;
use std::marker::PhantomData;
use url::form_urlencoded;

/// A handler: a function of a call, or of a call and its body.
pub(super) trait Handler<I>: 'static {
    type Input: Input;
    type Answer: Answer;

    fn handle(&self, call: Call) -> LocalBoxFuture<'static, Result<HttpResponse, Error>>;
}

impl<H, F, A> Handler<()> for H
where
    H: Fn(Call) -> F + 'static,
    F: Future<Output = Result<A, Error>> + 'static,
    A: Answer,
{
    type Input = ();
    type Answer = A;

    fn handle(&self, call: Call) -> LocalBoxFuture<'static, Result<HttpResponse, Error>> {
        self(call)
            .map(|answer| answer.map(A::into_response))
            .boxed_local()
    }
}

impl<H, I, F, A> Handler<(I,)> for H
where
    H: Fn(Call, I) -> F + 'static,
    I: Input,
    F: Future<Output = Result<A, Error>> + 'static,
    A: Answer,
{
    type Input = I;
    type Answer = A;

    fn handle(&self, call: Call) -> LocalBoxFuture<'static, Result<HttpResponse, Error>> {
        let input = I::of(call.body.clone());
        self(call, input)
            .map(|answer| answer.map(A::into_response))
            .boxed_local()
    }
}

/// What a handler reads of the body.
pub(super) trait Input: 'static {
    const TAKES: Takes;

    fn of(body: Bytes) -> Self;

    /// What it looks like; nothing where there is none.
    fn schema(schemas: &mut Schemas) -> Option<Schema>;
}

impl Input for () {
    const TAKES: Takes = Takes::Nothing;

    fn of(_: Bytes) -> Self {}

    fn schema(_: &mut Schemas) -> Option<Schema> {
        None
    }
}

/// A body that is not yet read: mostly the caller comes first.
pub(super) struct Json<T> {
    pub(super) text: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T: Body> Json<T> {
    pub(super) fn read(&self) -> Result<T, Error> {
        json::parse(&self.text)
    }
}

impl<T: Body> Input for Json<T> {
    const TAKES: Takes = Takes::Json;

    fn of(text: Bytes) -> Self {
        let of = PhantomData;
        Self { text, of }
    }

    fn schema(schemas: &mut Schemas) -> Option<Schema> {
        Some(schemas.of_request::<T>())
    }
}

/// The same, or no body.
pub(super) struct JsonOrNothing<T>(Json<T>);

impl<T: Body + Default> JsonOrNothing<T> {
    pub(super) fn read(&self) -> Result<T, Error> {
        if self.0.text.is_empty() {
            Ok(T::default())
        } else {
            self.0.read()
        }
    }
}

impl<T: Body> Input for JsonOrNothing<T> {
    const TAKES: Takes = Takes::JsonOrNothing;

    fn of(text: Bytes) -> Self {
        Self(Json::of(text))
    }

    fn schema(schemas: &mut Schemas) -> Option<Schema> {
        Json::<T>::schema(schemas)
    }
}

/// The parameters of a form.
pub(super) struct Form<T> {
    text: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T> Form<T> {
    /// All of them, those of one name too.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        form_urlencoded::parse(&self.text).into_owned()
    }
}

impl<T: JsonSchema + 'static> Input for Form<T> {
    const TAKES: Takes = Takes::Form;

    fn of(text: Bytes) -> Self {
        let of = PhantomData;
        Self { text, of }
    }

    fn schema(schemas: &mut Schemas) -> Option<Schema> {
        Some(schemas.of_request::<T>())
    }
}

/// What a handler gives where all goes well.
pub(super) trait Answer: 'static {
    fn into_response(self) -> HttpResponse;

    fn describe(schemas: &mut Schemas) -> Vec<Success>;
}

/// What the document says of an answer.
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) about: String,
    pub(super) headers: Vec<&'static Header>,
    /// The media type, and what is in it.
    pub(super) content: Option<(&'static str, Schema)>,
}

impl Success {
    pub(super) fn new(status: u16, about: impl Into<String>) -> Self {
        Self {
            status,
            about: about.into(),
            headers: Vec::new(),
            content: None,
        }
    }

    pub(super) fn header(mut self, header: &'static Header) -> Self {
        self.headers.push(header);
        self
    }

    pub(super) fn content(self, kind: &'static str, schema: Schema) -> Self {
        let content = Some((kind, schema));
        Self { content, ..self }
    }
}

/// A header of an answer.
pub(super) struct Header {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Whether every such answer has it.
    pub(super) always: bool,
}

/// JSON of the type `T`, with the status `STATUS`.
pub(super) struct Reply<T, const STATUS: u16 = 200> {
    pub(super) response: HttpResponse,
    of: PhantomData<fn() -> T>,
}

/// The same for something new.
pub(super) type Created<T> = Reply<T, 201>;

impl<T: Serialize, const STATUS: u16> Reply<T, STATUS> {
    pub(super) fn of(content: &T) -> Self {
        let status = StatusCode::from_u16(STATUS)
            .unwrap_or_else(|_| unreachable!("the constants here are statuses"));
        Self {
            response: HttpResponse::build(status).json(content),
            of: PhantomData,
        }
    }
}

impl<T: JsonSchema + 'static, const STATUS: u16> Answer for Reply<T, STATUS> {
    fn into_response(self) -> HttpResponse {
        self.response
    }

    fn describe(schemas: &mut Schemas) -> Vec<Success> {
        let schema = schemas.of_answer::<T>();
        vec![Success::new(STATUS, schemas.about::<T>()).content("application/json", schema)]
    }
}

/// Done, and nothing to say.
pub(super) struct NoContent;

impl Answer for NoContent {
    fn into_response(self) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }

    fn describe(_: &mut Schemas) -> Vec<Success> {
        vec![Success::new(204, "Taken.")]
    }
}

/// Server-sent events (WHATWG HTML, section 9.2). `E` tells what comes.
pub(super) struct Events<E> {
    response: HttpResponse,
    of: PhantomData<fn() -> E>,
}

const EVENT_STREAM: &str = "text/event-stream";

impl<E> Events<E> {
    pub(super) fn of(events: impl Stream<Item = Result<Bytes, Infallible>> + 'static) -> Self {
        Self::new(|answer| answer.streaming(events))
    }

    /// For `HEAD`: nobody would read the stream, and it would not end.
    pub(super) fn none() -> Self {
        Self::new(HttpResponseBuilder::finish)
    }

    fn new(finish: impl FnOnce(&mut HttpResponseBuilder) -> HttpResponse) -> Self {
        let mut answer = HttpResponse::Ok();
        answer
            .insert_header((header::CONTENT_TYPE, EVENT_STREAM))
            // A proxy that buffers would hold back what is only worth something at once.
            .insert_header(("x-accel-buffering", "no"));
        Self {
            response: finish(&mut answer),
            of: PhantomData,
        }
    }
}

impl<E: JsonSchema + 'static> Answer for Events<E> {
    fn into_response(self) -> HttpResponse {
        self.response
    }

    fn describe(schemas: &mut Schemas) -> Vec<Success> {
        let schema = schemas.of_answer::<E>();
        vec![Success::new(200, schemas.about::<E>()).content(EVENT_STREAM, schema)]
    }
}
