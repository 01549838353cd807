"""The verbs of the thin distribution. Help and completion call ``register``: it imports nothing heavy."""

import typer

from fleetgate_clients.audit import command as audits
from fleetgate_clients.audit import convert as reports
from fleetgate_clients.audit import explain as explanations
from fleetgate_clients.audit import history as histories
from fleetgate_clients.audit import whatif as comparisons
from fleetgate_clients.inventory import clusters
from fleetgate_clients.inventory import get as objects
from fleetgate_clients.loadtest import command as loadtest
from fleetgate_clients.webhook import command as webhook


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("audit", epilog=audits.EXAMPLES, help=audits.HELP, short_help="Say what is against the policies.")(
        audits.audit
    )
    app.command(
        "whatif",
        epilog=comparisons.EXAMPLES,
        help=comparisons.HELP,
        short_help="Try policies before they are published.",
    )(comparisons.whatif)
    app.command(
        "explain",
        epilog=explanations.EXAMPLES,
        help=explanations.HELP,
        short_help="Say why an object is denied or not.",
    )(explanations.explain)
    app.command(
        "history", epilog=histories.EXAMPLES, help=histories.HELP, short_help="Show earlier audits and changes."
    )(histories.history)
    app.command(
        "convert", epilog=reports.EXAMPLES, help=reports.HELP, short_help="Make another output of a JSON report."
    )(reports.convert)
    app.command("get", epilog=objects.EXAMPLES, help=objects.HELP, short_help="Show cached objects of the fleet.")(
        objects.get
    )
    clusters.register(app)
    app.command("loadtest", epilog=loadtest.EXAMPLES, short_help="Measure a server or webhook.")(loadtest.loadtest)
    app.command(
        "webhook", epilog=webhook.EXAMPLES, help=webhook.HELP, short_help="Be the admission webhook of a cluster."
    )(webhook.webhook)
