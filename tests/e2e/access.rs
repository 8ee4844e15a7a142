//! How the services get at their bucket and their database, beside keys and passwords that stay.

mod client_certificate;
mod identity;
mod proxy;
pub(crate) mod rotation;
mod whole;
