"""Who a certificate says that it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleetgate.transport.identity import Identities, Identity, IdentityInvalid, parse

from tests.support.certificates import Authority


@pytest.mark.parametrize(
    ("uri", "identity"),
    [
        ("spiffe://corp.example/cluster/eu-1/webhook", Identity("cluster/webhook", "eu-1")),
        ("spiffe://corp.example/cluster/eu-1/reader", Identity("cluster/reader", "eu-1")),
        ("spiffe://corp.example/fleet/admin", Identity("fleet/admin")),
        ("spiffe://corp.example/cluster/fleet/webhook", Identity("cluster/webhook", "fleet")),
        ("spiffe://d/cluster/a.b_c-D/sync", Identity("cluster/sync", "a.b_c-D")),
    ],
)
def test_well_formed_names(uri: str, identity: Identity) -> None:
    assert parse([uri]) == identity


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://d/cluster/eu-1",
        "spiffe://d/cluster//webhook",
        "spiffe://d/cluster/eu-1/webhook/",
        "spiffe://d/cluster/eu-1/webhook/extra",
        "spiffe://d/cluster/../webhook",
        "spiffe://d/cluster/eu%2d1/webhook",
        "spiffe://d/cluster/eu-1/webhook?x",
        "spiffe://d/cluster/eu-1/webhook\n",
        "spiffe://d/fleet",
        "spiffe://d/fleet/Admin",
        "spiffe://D/fleet/admin",
        "spiffe:///fleet/admin",
        "https://d/fleet/admin",
        "SPIFFE://d/fleet/admin",
        "",
    ],
)
def test_malformed_names(uri: str) -> None:
    with pytest.raises(IdentityInvalid):
        parse([uri])


def test_several_names_or_none_are_refused() -> None:
    with pytest.raises(IdentityInvalid, match="exactly one URI SAN, this one has 0"):
        parse([])
    with pytest.raises(IdentityInvalid, match="has 2"):
        parse(["spiffe://d/fleet/admin", "spiffe://d/fleet/reader"])


def test_the_trust_domain_is_checked_where_one_is_given() -> None:
    assert parse(["spiffe://d/fleet/admin"], "d") == Identity("fleet/admin")
    with pytest.raises(IdentityInvalid, match="trust domain"):
        parse(["spiffe://e/fleet/admin"], "d")


def test_only_uri_names_count(tmp_path: Path) -> None:
    """A DNS name that looks like an identity is none."""
    authority = Authority(tmp_path)
    pair = authority.issue("dns", hosts=("fleet", "admin.example"))
    with pytest.raises(IdentityInvalid, match="has 0"):
        Identities().of({"x509_pem_cert": [pair.certificate.read_bytes()]})


def test_a_certificate_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one = authority.issue("one", spiffe_id="spiffe://d/cluster/one/webhook").certificate.read_bytes()
    two = authority.issue("two", spiffe_id="spiffe://d/cluster/two/webhook").certificate.read_bytes()
    identities = Identities()
    for _ in range(2):
        assert identities.of({"x509_pem_cert": [one]}) == Identity("cluster/webhook", "one")
        assert identities.of({"x509_pem_cert": [two]}) == Identity("cluster/webhook", "two")
    bad = authority.issue("bad", spiffe_id="spiffe://d/elsewhere").certificate.read_bytes()
    for _ in range(2):
        with pytest.raises(IdentityInvalid, match="neither"):
            identities.of({"x509_pem_cert": [bad]})


def test_no_certificate_and_garbage_are_refused() -> None:
    with pytest.raises(IdentityInvalid, match="no client certificate"):
        Identities().of({})
    with pytest.raises(IdentityInvalid, match="cannot be read"):
        Identities().of({"x509_pem_cert": [b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]})
