"""The settings: precedence, origins, refusals, and the page that documents them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fleetgate.config import ConfigurationError, load, render
from fleetgate.config.catalog import settings
from fleetgate.config.model import is_local

BY_KEY = {setting.key: setting for setting in settings()}
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "configuration.md"


def _file(directory: Path, text: str) -> Path:
    path = directory / "fleetgate.yaml"
    path.write_text(text)
    return path


def test_each_source_overrides_the_one_before(tmp_path: Path) -> None:
    file = _file(tmp_path, "listen: 127.0.0.1:1\nlog:\n  level: error\ntrace: {sample_ratio: 0.1}\n")
    environment = {"FLEETGATE_LOG__LEVEL": "warning", "FLEETGATE_TRACE__SAMPLE_RATIO": "0.2"}
    loaded = load({BY_KEY["trace.sample_ratio"]: "0.3"}, environment, file)

    assert loaded.settings.drain.delay_seconds == 5.0
    assert loaded.origins["drain.delay_seconds"] == "default"
    assert loaded.settings.listen == "127.0.0.1:1"
    assert loaded.origins["listen"] == f"{file}:1"
    assert loaded.settings.log.level == "warning"
    assert loaded.origins["log.level"] == "env FLEETGATE_LOG__LEVEL"
    assert loaded.settings.trace.sample_ratio == 0.3
    assert loaded.origins["trace.sample_ratio"] == "flag --trace-sample-ratio"


def test_sections_merge_setting_by_setting(tmp_path: Path) -> None:
    file = _file(tmp_path, "drain:\n  delay_seconds: 1\n  grace_seconds: 2\n")
    loaded = load({}, {"FLEETGATE_DRAIN__GRACE_SECONDS": "9"}, file)
    assert (loaded.settings.drain.delay_seconds, loaded.settings.drain.grace_seconds) == (1, 9)
    assert loaded.origins["drain.delay_seconds"] == f"{file}:2"


def test_the_file_may_be_named_by_the_environment_and_a_flag_wins(tmp_path: Path) -> None:
    file = _file(tmp_path, "listen: 127.0.0.1:7\n")
    other = tmp_path / "other.yaml"
    other.write_text("listen: 127.0.0.1:8\n")
    assert load({}, {"FLEETGATE_CONFIG": str(file)}).settings.listen == "127.0.0.1:7"
    assert load({}, {"FLEETGATE_CONFIG": str(file)}, other).settings.listen == "127.0.0.1:8"


def test_lists_come_as_lists_or_separated_by_commas(tmp_path: Path) -> None:
    file = _file(tmp_path, "metrics:\n  clusters: [a, b]\n")
    loaded = load({BY_KEY["policies"]: ["x", "y"]}, {}, file)
    assert loaded.settings.policies == [Path("x"), Path("y")]
    assert loaded.settings.metrics.clusters == ["a", "b"]
    assert load({}, {"FLEETGATE_METRICS__CLUSTERS": "c, d"}).settings.metrics.clusters == ["c", "d"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lisen: x\n", ":1: unknown setting `lisen`; did you mean `listen`?"),
        ("tls:\n  certificat: x\n", ":2: unknown setting `tls.certificat`; did you mean `tls.certificate`?"),
        ("\nsample_ratio: 1\n", ":2: unknown setting `sample_ratio`; did you mean `trace.sample_ratio`?"),
        ("qqqqqqqq: 1\n", ":1: unknown setting `qqqqqqqq`"),
        ("tls: yes\n", ":1: `tls` must be a mapping"),
        ("listen: a:1\nlisten: b:1\n", ":2: `listen` is given twice"),
        ("- 1\n", ":1: must be a mapping of settings"),
        ("a: [\n", "expected"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    file = _file(tmp_path, text)
    with pytest.raises(ConfigurationError) as refused:
        load({}, {}, file)
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(str(file))
    assert problem in refused.value.problems[0]
    assert refused.value.problems[0].endswith(problem) or problem == "expected"


def test_a_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    file = tmp_path / "gone.yaml"
    with pytest.raises(ConfigurationError) as refused:
        load({}, {}, file)
    assert refused.value.problems == [f"{file}: No such file or directory"]


def test_all_defects_are_told_at_once(tmp_path: Path) -> None:
    file = _file(tmp_path, "lisen: x\ntrace: {sampel_ratio: 1}\n")
    with pytest.raises(ConfigurationError) as refused:
        load({}, {"FLEETGATE_LOG__LEVLE": "info"}, file)
    assert len(refused.value.problems) == 3


def test_unknown_variables_are_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({}, {"FLEETGATE_TRACE__SAMPEL_RATIO": "1"})
    assert refused.value.problems == [
        "FLEETGATE_TRACE__SAMPEL_RATIO: unknown setting; did you mean `FLEETGATE_TRACE__SAMPLE_RATIO`?"
    ]


def test_variables_that_kubernetes_makes_for_services_are_left_alone() -> None:
    links = {
        "FLEETGATE_SERVICE_HOST": "10.0.0.1",
        "FLEETGATE_SERVICE_PORT": "9443",
        "FLEETGATE_SERVICE_PORT_GRPC": "9443",
        "FLEETGATE_PORT": "tcp://10.0.0.1:9443",
        "FLEETGATE_PORT_9443_TCP": "tcp://10.0.0.1:9443",
        "FLEETGATE_PORT_9443_TCP_ADDR": "10.0.0.1",
        "FLEETGATE_WEBHOOK_SERVICE_HOST": "10.0.0.2",
        "FLEETGATE_WEBHOOK_PORT_443_TCP_PROTO": "tcp",
    }
    assert set(load({}, links).origins.values()) == {"default"}


def test_settings_of_the_webhook_are_left_alone() -> None:
    """Both commands may stand in one environment, as in an ``env_file`` or a container with both."""
    shared = {
        "FLEETGATE_WEBHOOK_CLUSTER": "dev",
        "FLEETGATE_WEBHOOK_SERVER_CA": "/ca.crt",
        "FLEETGATE_LISTEN": "[::1]:1",
    }
    assert load({}, shared).settings.listen == "[::1]:1"
    assert not any(setting.env.startswith("FLEETGATE_WEBHOOK_") for setting in settings())


def test_an_invalid_value_names_its_origin() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({BY_KEY["trace.sample_ratio"]: "7"}, {"FLEETGATE_REVIEW__THREADS": "many"})
    problems = "\n".join(refused.value.problems)
    assert (
        "flag --trace-sample-ratio: trace.sample_ratio: Input should be less than or equal to 1 (got '7')" in problems
    )
    assert "env FLEETGATE_REVIEW__THREADS: review.threads: Input should be a valid integer" in problems


@pytest.mark.parametrize("listen", ["0.0.0.0:9443", "10.0.0.1:9443", "[::]:9443", "example.com:9443", ":9443"])
def test_plaintext_is_refused_beyond_this_machine(listen: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({BY_KEY["insecure"]: True, BY_KEY["listen"]: listen}, {})
    assert refused.value.problems == [
        f"flag --insecure: insecure: plaintext is for loopback addresses and UNIX sockets only, not {listen!r}"
    ]


def test_certificates_come_in_pairs_and_exclude_plaintext() -> None:
    with pytest.raises(ConfigurationError, match="go together"):
        load({BY_KEY["tls.certificate"]: "a"}, {})
    with pytest.raises(ConfigurationError, match=r"needs `tls.certificate`"):
        load({BY_KEY["tls.client_ca"]: "a"}, {})
    with pytest.raises(ConfigurationError, match="exclude each other"):
        load({BY_KEY["insecure"]: True, BY_KEY["tls.certificate"]: "a", BY_KEY["tls.key"]: "b"}, {})


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1:1", True),
        ("127.8.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("unix:/run/x", True),
        ("localhost.example.com:1", False),
        ("1.2.3.4:1", False),
        ("127.0.0.1", False),
    ],
)
def test_which_addresses_are_local(address: str, local: bool) -> None:
    assert is_local(address) is local


def test_secrets_are_redacted_everywhere() -> None:
    loaded = load({}, {"FLEETGATE_OTLP__HEADERS": "authorization=hush"})
    assert loaded.settings.otlp.headers.get_secret_value() == "authorization=hush"
    for text in (render.as_json(loaded), render.as_yaml(loaded), repr(render.rows(loaded)), repr(loaded)):
        assert "hush" not in text
    assert ("otlp.headers", render.REDACTED, "env FLEETGATE_OTLP__HEADERS") in render.rows(loaded)


def test_shown_yaml_is_a_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    given = {BY_KEY["policies"]: ["a b", "c"], BY_KEY["insecure"]: True, BY_KEY["log.level"]: "debug"}
    loaded = load(given, {})
    again = load({}, {}, _file(tmp_path, render.as_yaml(loaded)))
    assert again.settings.model_dump() == loaded.settings.model_dump()


def test_the_schema_knows_every_setting() -> None:
    schema = json.loads(render.schema())
    for setting in settings():
        node = schema
        for name in setting.path:
            node = node["properties"][name]
            node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        assert node["description"] == setting.help


def test_the_documentation_is_generated_from_the_settings() -> None:
    assert DOCUMENTATION.read_text() == render.documentation(), "run `fleetgate config docs > docs/configuration.md`"


def test_every_setting_says_what_it_means() -> None:
    for setting in settings():
        assert setting.help.endswith("."), setting.key


def test_a_switch_whose_value_is_a_word_of_yaml(tmp_path: Path) -> None:
    for text in ("null", '"null"'):
        file = _file(tmp_path, f"compatibility:\n  namespace_object_absent: {text}\n")
        assert load({}, {}, file).settings.compatibility.namespace_object_absent == "null"
    with pytest.raises(
        ConfigurationError, match=r"compatibility\.error_spread: Input should be 'kind' or 'constraint'"
    ):
        load({BY_KEY["compatibility.error_spread"]: "all"}, {})
