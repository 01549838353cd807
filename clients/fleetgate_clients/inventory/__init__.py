"""The verbs ``get`` and ``clusters``: what the service knows of the clusters."""
