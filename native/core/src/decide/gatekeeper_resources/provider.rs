//! `Provider` of external data (`ProviderCache.Upsert` in `pkg/externaldata` of Gatekeeper's constraint framework).

use fleetgate_builtins::{Context, find};
use serde::Deserialize;
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::decode::{Served, decode, or_zero};
use crate::template::Refusal;

const SERVED: Served =
    Served { group: "externaldata.gatekeeper.sh", kind: "Provider", versions: &["v1alpha1", "v1beta1"] };

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    #[serde(deserialize_with = "or_zero")]
    url: String,
    /// Seconds.
    #[serde(deserialize_with = "or_zero")]
    timeout: i64,
    /// PEM in base64.
    #[serde(deserialize_with = "or_zero")]
    ca_bundle: String,
}

pub(super) fn admit(object: Value) -> Result<(), Refusal> {
    let (name, spec): (String, Spec) = decode(object, &SERVED)?;
    check(&name, &spec).map_err(Refusal::user_error)
}

fn check(name: &str, spec: &Spec) -> Result<(), String> {
    if name.is_empty() {
        return Err("provider name can not be empty. value ".to_owned());
    }
    if spec.url.is_empty() {
        return Err("invalid provider url. value: ".to_owned());
    }
    if spec.timeout < 0 {
        return Err(format!("provider timeout should be a positive integer. value: {}", spec.timeout));
    }
    let url = call("uri.parse", &spec.url)?;
    if url.field("scheme").and_then(fleetgate_value::Value::as_str) != Some("https") {
        return Err("only HTTPS scheme is supported for Providers".to_owned());
    }
    if spec.ca_bundle.is_empty() {
        return Err("caBundle should be set for HTTPS scheme".to_owned());
    }
    let bundle =
        call("base64.decode", &spec.ca_bundle).map_err(|error| format!("failed to base64 decode caBundle: {error}"))?;
    let blocks = pem::parse_many(bundle.as_str().unwrap_or_default()).unwrap_or_default();
    let first = blocks.first().ok_or("bad caBundle")?;
    // Gatekeeper looks at the first one only.
    Certificate::from_der(first.contents()).map_err(|error| format!("failed to parse caBundle: {error}"))?;
    Ok(())
}

/// A built-in of Rego that does what Go's library does.
fn call(name: &str, text: &str) -> Result<fleetgate_value::Value, String> {
    let function = find(name).ok_or_else(|| format!("{name} is missing"))?;
    function(&mut Context::default(), &[text.into()]).map_err(|error| error.to_string())
}
