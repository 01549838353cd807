"""The verbs of the thin distribution. Help and completion call ``register``: it imports nothing heavy."""

import typer

from fleetgate_clients.loadtest import command as loadtest


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("loadtest", epilog=loadtest.EXAMPLES)(loadtest.loadtest)
