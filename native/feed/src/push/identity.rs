//! Which cluster an agent may speak for: what its certificate says, and nothing else.

use rustls_pki_types::CertificateDer;
use tonic::Status;

/// The cluster that a client certificate names in the role `sync`:
/// `spiffe://<trust domain>/cluster/<name>/sync`, its only URI name. An empty trust domain is any.
pub(crate) fn cluster_of(certificate: &CertificateDer<'_>, trust_domain: &str) -> Result<String, Status> {
    let unreadable = |_| Status::unauthenticated("the client certificate cannot be read");
    let certificate = webpki::EndEntityCert::try_from(certificate).map_err(unreadable)?;
    let mut names = certificate.valid_uri_names();
    match (names.next(), names.next()) {
        (Some(name), None) => parse(name, trust_domain),
        _ => Err(Status::unauthenticated("a client certificate needs exactly one URI SAN")),
    }
}

fn parse(uri: &str, trust_domain: &str) -> Result<String, Status> {
    let foreign = || Status::unauthenticated("the URI SAN is not spiffe://<trust domain>/cluster/<name>/<role>");
    let rest = uri.strip_prefix("spiffe://").ok_or_else(foreign)?;
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        [domain, ..] if !trust_domain.is_empty() && *domain != trust_domain => {
            Err(Status::unauthenticated("the certificate is not of the trust domain"))
        }
        [domain, "cluster", name, "sync"] if is_domain(domain) && is_name(name) => Ok((*name).to_owned()),
        [domain, "cluster", name, _] if is_domain(domain) && is_name(name) => {
            Err(Status::permission_denied("SyncInventory is for the role sync of a cluster"))
        }
        [domain, "fleet", _] if is_domain(domain) => {
            Err(Status::permission_denied("SyncInventory is for the role sync of a cluster"))
        }
        _ => Err(foreign()),
    }
}

fn is_domain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(fits)
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=253).contains(&text.len())
        && text.bytes().all(fits)
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn a_certificate_names_one_cluster() {
        let name = |uri: &str, domain: &str| parse(uri, domain).map_err(|status| status.code());
        assert_eq!(name("spiffe://fleet.example/cluster/west/sync", ""), Ok("west".into()));
        assert_eq!(name("spiffe://fleet.example/cluster/west/sync", "fleet.example"), Ok("west".into()));
        for (uri, domain, code) in [
            ("spiffe://fleet.example/cluster/west/sync", "other.example", Code::Unauthenticated),
            ("spiffe://fleet.example/cluster/west/webhook", "", Code::PermissionDenied),
            ("spiffe://fleet.example/fleet/admin", "", Code::PermissionDenied),
            ("spiffe://fleet.example/cluster/west/sync/more", "", Code::Unauthenticated),
            ("spiffe://fleet.example/cluster//sync", "", Code::Unauthenticated),
            ("spiffe://fleet.example/cluster/-x/sync", "", Code::Unauthenticated),
            ("spiffe://fleet.example/cluster/we st/sync", "", Code::Unauthenticated),
            ("https://fleet.example/cluster/west/sync", "", Code::Unauthenticated),
            ("spiffe:///cluster/west/sync", "", Code::Unauthenticated),
        ] {
            assert_eq!(name(uri, domain), Err(code), "{uri}");
        }
    }
}
