"""The verbs ``audit``, ``whatif``, ``explain``, ``history`` and ``convert``: what exists, and what policies say of it.

:mod:`~fleetgate_clients.audit.report` is the model, :mod:`~fleetgate_clients.audit.collect` makes it of a run's
messages, :mod:`~fleetgate_clients.audit.document` is its canonical JSON. The outputs are in
:mod:`fleetgate_clients.output.audit`.
"""
