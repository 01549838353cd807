"""The engine of this process for the thin client's verbs: policies and objects of files, or of clusters by kubeconfig.

The distribution names :class:`LocalEngine` in the entry point group ``fleetgate.engine``;
:mod:`fleetgate_clients.audit.local` says what it has to do.
"""

from fleetgate.local.engine import LocalEngine

__all__ = ["LocalEngine"]
