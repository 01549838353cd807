//! Built-ins that encode and decode: OPA's `topdown/encoding.go` and `topdown/uri.go`.

mod base64;
mod hex;
mod json;
mod percent;
mod uri;
mod urlquery;
mod yaml;

pub(crate) use base64::TABLE as BASE64;
pub(crate) use hex::TABLE as HEX;
pub(crate) use json::TABLE as JSON;
pub(crate) use uri::TABLE as URI;
pub(crate) use urlquery::TABLE as URLQUERY;
pub(crate) use yaml::TABLE as YAML;
