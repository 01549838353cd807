"""Typed settings of the server: one declaration for file, environment, flags, ``config show`` and the documentation."""

from fleetgate.config.load import ConfigurationError, Loaded, load
from fleetgate.config.model import Settings

__all__ = ["ConfigurationError", "Loaded", "Settings", "load"]
