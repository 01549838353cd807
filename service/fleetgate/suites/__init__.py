"""Policies against files, with the core embedded: no server, no cluster.

``fleetgate verify`` runs gator ``Suite`` files: :mod:`discovery` finds them, :mod:`reading` parses them into the
:mod:`model`, :mod:`runner` decides each case by the core and :mod:`assertions` compares. ``fleetgate test`` reviews
every object of some manifests: :mod:`manifests` reads and decides, :mod:`results` prints.
"""
