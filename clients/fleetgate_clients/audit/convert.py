"""The verb ``convert``: a JSON report in any other format, offline."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fleetgate_clients.output.audit import Format
from fleetgate_clients.output.terminal import Color, ColorOption

EXAMPLES = """\
Examples:
  fleetgate audit --server pdp:9443 -o json > report.json
  fleetgate convert report.json -o html > report.html          # the same bytes as `fleetgate audit -o html`
  fleetgate convert report.json -o sarif > report.sarif
  fleetgate convert - < report.json                            # the table, from a pipe
"""

HELP = """\
Make any other output of an audit's JSON report, without a server.

Exit codes: 0 it was written, whatever the report says; 2 it is no report.
"""


def convert(
    report: Annotated[str, typer.Argument(help="A JSON report; - for standard input.", show_default=False)] = "-",
    output: Annotated[Format, typer.Option("-o", "--output", help="What to make of it.")] = Format.TABLE,
    color: ColorOption = Color.AUTO,
) -> None:
    """Convert a report; see HELP."""
    from fleetgate_clients.audit.files import read_report  # noqa: PLC0415 (help and completion do without)
    from fleetgate_clients.output.audit import Look, write  # noqa: PLC0415
    from fleetgate_clients.output.terminal import wants_color, width_of  # noqa: PLC0415

    look = Look(width_of(sys.stdout), wants_color(color, sys.stdout))
    for part in write(read_report(report), output, look):
        sys.stdout.write(part)
