"""What audits found: runs, what is violated since when, and when violations came and went.

:class:`~fleetgate.audit.history.writer.Writer` is the one who writes (in the
service from :mod:`~fleetgate.audit.history.process`), :class:`~fleetgate.audit.history.reader.Reader`
answers. Whatever is written is written whole, in one transaction: a process that is killed leaves what was there
before.
"""
