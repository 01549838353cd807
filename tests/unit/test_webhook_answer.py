"""Gatekeeper's answers, to the byte."""

import json

import pytest
from fleetgate_clients.webhook import answer
from fleetgate_proto.v1 import review_pb2

V1 = "admission.k8s.io/v1"


def violation(name: str, message: str, action: str = "deny", scoped: tuple[str, ...] = ()) -> review_pb2.Violation:
    return review_pb2.Violation(
        constraint_kind="K8sKind",
        constraint_name=name,
        message=message,
        enforcement_action=action,
        scoped_enforcement_actions=scoped,
    )


def constraint_error(name: str, message: str, action: str) -> review_pb2.ConstraintError:
    return review_pb2.ConstraintError(
        constraint_kind="K8sKind", constraint_name=name, message=message, enforcement_action=action
    )


def render(
    *violations: review_pb2.Violation,
    errors: tuple[review_pb2.ConstraintError, ...] = (),
    allowed: bool = True,
    api_version: str = V1,
) -> str:
    decision = review_pb2.ReviewResponse(
        decision_id="d", allowed=allowed, violations=violations, constraint_errors=errors
    )
    return answer.from_decision(decision).encode(api_version, "u").decode()


def review(response: str, api_version: str = V1) -> str:
    return f'{{"kind":"AdmissionReview","apiVersion":"{api_version}","response":{{"uid":"u",{response}}}}}\n'


DENIED = '"allowed":false,"status":{{"metadata":{{}},"message":"{}","reason":"Forbidden","code":403}}'
ALLOWED = '"allowed":true,"status":{"metadata":{},"code":200}'
WARNED = '"allowed":true,"status":{{"metadata":{{}},"code":299}},"warnings":[{}]'


@pytest.mark.parametrize(
    ("violations", "response"),
    [
        pytest.param([], ALLOWED, id="allow"),
        pytest.param([violation("c", "no")], DENIED.format("[c] no"), id="deny"),
        pytest.param([violation("c", "")], DENIED.format("[c] "), id="empty message"),
        pytest.param([violation("c", "no", "dryrun")], ALLOWED, id="dryrun is silent"),
        pytest.param([violation("c", "no", "")], ALLOWED, id="empty action is not enforced"),
        pytest.param([violation("c", "no", "block")], ALLOWED, id="unknown action is not enforced"),
        pytest.param([violation("c", "no", "warn")], WARNED.format('"[c] no"'), id="warn"),
        pytest.param(
            [violation("w", "hm", "warn"), violation("d", "no")],
            DENIED.format("[d] no") + ',"warnings":["[w] hm"]',
            id="warnings go with denials",
        ),
        pytest.param(
            [violation("z", "a"), violation("a", "b"), violation("b", "a")],
            DENIED.format(r"[b] a\n[z] a\n[a] b"),
            id="sorted by message, then name",
        ),
        pytest.param(
            [violation("s", "a", "scoped", ("deny",)), violation("d", "z", "deny")],
            DENIED.format(r"[d] z\n[s] a"),
            id="scoped comes after deny, whatever its message",
        ),
        pytest.param(
            [violation("s", "z", "scoped", ("warn",)), violation("w", "a", "warn")],
            WARNED.format('"[s] z","[w] a"'),
            id="scoped comes before warn",
        ),
        pytest.param(
            [violation("s", "m", "scoped", ("warn", "deny"))],
            DENIED.format("[s] m") + ',"warnings":["[s] m"]',
            id="several scoped actions",
        ),
        pytest.param([violation("s", "m", "scoped", ("dryrun",))], ALLOWED, id="scoped dryrun"),
        pytest.param([violation("s", "m", "scoped", ())], ALLOWED, id="scoped to nothing"),
        pytest.param([violation("s", "m", "scoped", ("stop",))], ALLOWED, id="scoped unknown action"),
        pytest.param(
            [violation("c", "same"), violation("c", "same")],
            DENIED.format(r"[c] same\n[c] same"),
            id="equal lines are kept",
        ),
        pytest.param(
            [violation("c", 'a<b> & "c" \\ \u2028 ü')],
            DENIED.format(r"[c] a\u003cb\u003e \u0026 \"c\" \\ \u2028 ü"),
            id="Go's escapes",
        ),
    ],
)
def test_violations(violations: list[review_pb2.Violation], response: str) -> None:
    denies = any("deny" in (v.enforcement_action, *v.scoped_enforcement_actions) for v in violations)
    assert render(*violations, allowed=not denies) == review(response)


def test_a_constraint_without_an_answer_denies_for_deny_and_warns_for_warn() -> None:
    errors = (constraint_error("e", "out of time", "deny"), constraint_error("f", "out of time", "warn"))
    expected = DENIED.format(r"[e] out of time\n[d] z")
    assert render(violation("d", "z"), errors=errors, allowed=False) == review(
        expected + ',"warnings":["[f] out of time"]'
    )


def test_an_error_of_a_dryrun_constraint_is_silent() -> None:
    assert render(errors=(constraint_error("e", "out of time", "dryrun"),)) == review(ALLOWED)


@pytest.mark.parametrize("code", [0, 500])
def test_a_review_error_is_worded_as_gatekeepers(code: int) -> None:
    error = review_pb2.ReviewError(code=code, message="broken")
    decision = review_pb2.ReviewResponse(allowed=False, review_error=error, violations=[violation("c", "no")])
    assert answer.from_decision(decision, "web").encode(V1, "u").decode() == review(
        '"allowed":false,"status":{"metadata":{},'
        r'"message":"error reviewing resource web: admission.k8s.gatekeeper.sh: broken\n","code":500}'
    )


@pytest.mark.parametrize("code", [400, 413])
def test_an_error_that_gatekeeper_does_not_know_keeps_its_code(code: int) -> None:
    error = review_pb2.ReviewError(code=code, message="broken")
    decision = review_pb2.ReviewResponse(allowed=False, review_error=error)
    assert answer.from_decision(decision, "web").encode(V1, "u").decode() == review(
        f'"allowed":false,"status":{{"metadata":{{}},"message":"broken","code":{code}}}'
    )


@pytest.mark.parametrize("code", [422, 500])
def test_an_object_of_gatekeepers_own_is_refused_in_plain_words(code: int) -> None:
    reason = review_pb2.ERROR_REASON_RESOURCE_REFUSED
    error = review_pb2.ReviewError(code=code, message="no such template", reason=reason)
    decision = review_pb2.ReviewResponse(allowed=False, review_error=error)
    assert answer.from_decision(decision, "web").encode(V1, "u").decode() == review(
        f'"allowed":false,"status":{{"metadata":{{}},"message":"no such template","code":{code}}}'
    )


def test_why_no_policy_was_asked() -> None:
    decision = review_pb2.ReviewResponse(allowed=True, status_message="excluded")
    assert answer.from_decision(decision).encode(V1, "u").decode() == review(
        '"allowed":true,"status":{"metadata":{},"message":"excluded","code":200}'
    )


def test_a_denial_that_this_version_does_not_understand_stays_a_denial() -> None:
    made = answer.from_decision(review_pb2.ReviewResponse(decision_id="d1", allowed=False))
    assert (made.allowed, made.code, made.message) == (False, 403, "denied by decision d1")


def test_a_deny_line_denies_whatever_the_summary_says() -> None:
    assert json.loads(render(violation("c", "no"), allowed=True))["response"]["allowed"] is False


def test_the_version_of_the_question_is_the_version_of_the_answer() -> None:
    beta = "admission.k8s.io/v1beta1"
    assert render(api_version=beta) == review(ALLOWED, beta)


def test_control_characters_and_uids_are_escaped() -> None:
    encoded = answer.error('a"\n\x1b[31m').encode(V1, 'u"\x00')
    decoded = json.loads(encoded)["response"]
    assert (decoded["uid"], decoded["status"]["message"]) == ('u"\x00', 'a"\n\x1b[31m')
    assert b"\x1b" not in encoded
