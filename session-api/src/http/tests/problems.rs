//! What a client is told of errors that are the service's own.

use crate::http::problem::Error;
use crate::service;
use crate::store;
use actix_web::body::MessageBody as _;
use actix_web::http::header;
use std::sync::Arc;

fn told(error: &Error) -> (u16, String, String) {
    let response = error.response();
    let headers = format!("{:?}", response.headers());
    let status = response.status().as_u16();
    assert_eq!(
        response.headers().get(header::CONTENT_TYPE).unwrap(),
        "application/problem+json"
    );
    let body = response.into_body().try_into_bytes().unwrap();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

const SECRET: &str = "relation \"users\" of alice does not exist";

fn store_error(error: store::Error) -> Error {
    service::Error::Store(Arc::new(error)).into()
}

#[test]
fn a_500_leaks_nothing() {
    let errors = [
        store_error(store::Error::Database(sqlx::Error::Protocol(
            SECRET.to_owned(),
        ))),
        store_error(store::Error::Corrupt(SECRET.to_owned())),
        service::Error::Keys(Arc::new(crate::keys::Error::Damaged {
            kid: SECRET.to_owned(),
        }))
        .into(),
        Error::Panicked,
    ];
    for error in errors {
        let (status, headers, body) = told(&error);
        assert_eq!(status, 500, "{body}");
        assert_eq!(
            body,
            r#"{"type":"urn:portcullis:internal","title":"Something went wrong.","status":500}"#
        );
        assert!(!headers.contains("alice"), "{headers}");
    }
}

#[test]
fn a_database_that_does_not_answer_is_a_reason_to_wait() {
    let error = store_error(store::Error::Unavailable(sqlx::Error::PoolTimedOut));
    let (status, headers, body) = told(&error);
    assert_eq!(status, 503, "{body}");
    assert!(headers.contains("retry-after"), "{headers}");
    assert!(!body.contains("pool"), "{body}");
}
