//! Digests and keyed digests.

use fleetgate_value::Value;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::operand::string;
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("crypto.hmac.equal", hmac_equal),
    ("crypto.hmac.md5", keyed::<Hmac<Md5>>),
    ("crypto.hmac.sha1", keyed::<Hmac<Sha1>>),
    ("crypto.hmac.sha256", keyed::<Hmac<Sha256>>),
    ("crypto.hmac.sha512", keyed::<Hmac<Sha512>>),
    ("crypto.md5", digest::<Md5>),
    ("crypto.sha1", digest::<Sha1>),
    ("crypto.sha256", digest::<Sha256>),
];

fn digest<D: Digest>(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(hex(&D::digest(string(operands, 1)?)).into())
}

/// The digest of the first operand under the key of the second.
fn keyed<M: Mac + KeyInit>(_: &mut Context, operands: &[Value]) -> Answer {
    let (message, key) = (string(operands, 1)?, string(operands, 2)?);
    let mut mac = <M as KeyInit>::new_from_slice(key.as_bytes()).map_err(|error| Error::Builtin(error.to_string()))?;
    mac.update(message.as_bytes());
    Ok(hex(&mac.finalize().into_bytes()).into())
}

fn hmac_equal(_: &mut Context, operands: &[Value]) -> Answer {
    Ok((string(operands, 1)? == string(operands, 2)?).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
