//! Checks Portcullis access tokens inside a microservice: no look-up per request, and revocations
//! within milliseconds.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`error`] | every way in which a request is refused, and its HTTP status |
//! | [`token`] | the strict decoder of access tokens: signature, claims and times, no revocations |

#![warn(missing_docs)]

pub mod error;
pub mod token;

pub use error::{Error, Reason};
