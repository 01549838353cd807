"""Record what Gatekeeper's own webhooks answer to the questions of tests/support/gatekeeper_webhook.py.

From the project's root: ``.venv/bin/python -m tests.oracle.record_webhook PATH_OF_THE_GATEKEEPER_ORACLE``.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support import gatekeeper_webhook as world


def main(oracle: str) -> None:
    """Ask and write."""
    posts = world.posts()
    policies = {"templates": world.TEMPLATES, "constraints": world.CONSTRAINTS, "config": world.CONFIG}
    request = {
        "op": "webhook",
        **policies,
        "namespaces": world.NAMESPACES,
        "flags": world.EXEMPT,
        "posts": [{"path": path, "body": body} for path, body in posts.values()],
    }
    done = subprocess.run([oracle], input=json.dumps(request).encode(), stdout=subprocess.PIPE, check=True)
    answered = json.loads(done.stdout)
    if answered.get("failure") or answered["template_errors"] or answered["constraint_errors"]:
        sys.exit(f"the world is not as it should be: {done.stdout[:1000]!r}")
    lines = [json.dumps(policies)]
    for (name, (path, body)), answer in zip(posts.items(), answered["answers"], strict=True):
        lines.append(json.dumps({"name": name, "path": path, "body": body, "answer": answer}, ensure_ascii=False))
    world.RECORDED.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
