//! Checks Portcullis access tokens inside a microservice: no look-up per request, and revocations
//! within milliseconds.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`duration`] | how settings write durations |
//! | [`error`] | every refusal, from the token or from the request around it |
//! | [`problem`] | how a refusal looks over HTTP |
//! | [`request`] | which credential a request presents, and whether a page of another site sent it |

#![warn(missing_docs)]

pub mod duration;
pub mod error;
pub mod problem;
pub mod request;

pub use error::Error;
