//! Checks Portcullis access tokens inside a microservice: no look-up per request, and revocations
//! within milliseconds.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`duration`] | how settings write durations |
//! | [`error`] | every way in which a request is refused, and its HTTP status |
//! | [`problem`] | how a refusal looks over HTTP |
//! | [`request`] | which credential a request presents, and whether a page of another site sent it |
//! | [`token`] | the strict decoder of access tokens: signature, claims and times, no revocations |

#![warn(missing_docs)]

pub mod duration;
pub mod error;
pub mod problem;
pub mod request;
pub mod token;

pub use error::{Error, Reason};
