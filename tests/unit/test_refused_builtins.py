"""Built-ins of OPA that a template cannot use here: each is refused when the policy is loaded, by its name."""

from __future__ import annotations

import pytest
from fleetgate.engine import PolicyError

from tests.support.decisions import engine_with, template

ON_PURPOSE = ["http.send", "opa.runtime"]
"""A decision asks nobody and tells nothing about the machine that makes it."""

WITHOUT_ITS_FEATURE = ["external_data"]
"""As in a Gatekeeper whose external data is off."""

LATER = [
    "crypto.parse_private_keys",
    "crypto.x509.parse_and_verify_certificates",
    "crypto.x509.parse_and_verify_certificates_with_options",
    "crypto.x509.parse_certificate_request",
    "crypto.x509.parse_certificates",
    "crypto.x509.parse_keypair",
    "crypto.x509.parse_rsa_private_key",
    "graphql.is_valid",
    "graphql.parse",
    "graphql.parse_and_verify",
    "graphql.parse_query",
    "graphql.parse_schema",
    "graphql.schema_is_valid",
    "io.jwt.decode",
    "io.jwt.decode_verify",
    "io.jwt.encode_sign",
    "io.jwt.encode_sign_raw",
    "io.jwt.verify_eddsa",
    "io.jwt.verify_es256",
    "io.jwt.verify_es384",
    "io.jwt.verify_es512",
    "io.jwt.verify_hs256",
    "io.jwt.verify_hs384",
    "io.jwt.verify_hs512",
    "io.jwt.verify_ps256",
    "io.jwt.verify_ps384",
    "io.jwt.verify_ps512",
    "io.jwt.verify_rs256",
    "io.jwt.verify_rs384",
    "io.jwt.verify_rs512",
    "net.lookup_ip_addr",
    "providers.aws.sign_req",
    "rego.parse_module",
    "strings.render_template",
]

ARGUMENTS = {
    "opa.runtime": "",
    "external_data": "{}",
    "http.send": "{}",
    "strings.render_template": '"", {}',
    "providers.aws.sign_req": "{}, {}, 1",
    "graphql.is_valid": '"", ""',
    "graphql.parse": '"", ""',
    "graphql.parse_and_verify": '"", ""',
    "crypto.x509.parse_and_verify_certificates_with_options": '"", {}',
    "crypto.x509.parse_keypair": '"", ""',
    "io.jwt.decode_verify": '"", {}',
    "io.jwt.encode_sign": "{}, {}, {}",
    "io.jwt.encode_sign_raw": '"", "", ""',
    "rego.parse_module": '"", ""',
}


def _arguments(name: str) -> str:
    return ARGUMENTS.get(name, '"", ""' if name.startswith("io.jwt.verify") else '""')


def _refusal(name: str) -> str:
    rego = f'violation[{{"msg": "m"}}] {{ x := {name}({_arguments(name)}) }}'
    with pytest.raises(PolicyError) as refused:
        engine_with(template("K", rego))
    return "\n".join(diagnostic.message for diagnostic in refused.value.diagnostics)


@pytest.mark.parametrize("name", ON_PURPOSE)
def test_refused_on_purpose(name: str) -> None:
    assert f"undefined function {name}" in _refusal(name)


@pytest.mark.parametrize("name", WITHOUT_ITS_FEATURE)
def test_refused_as_gatekeeper_without_the_feature(name: str) -> None:
    assert f"undefined function {name}" in _refusal(name)


@pytest.mark.parametrize("name", LATER)
def test_left_for_later(name: str) -> None:
    assert name in _refusal(name)
