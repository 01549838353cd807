"""What the verbs print: terminal text, tables, test reports and documents.

Everything that came from outside (names, messages) passes :func:`~fleetgate_clients.output.terminal.printable` before
it reaches a terminal. Nothing here imports more than it prints with: ``rich`` is loaded by the first table.
"""
