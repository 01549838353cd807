"""Where clusters are registered. A source is a pure function from the hub's objects to registrations.

One module per family; the table in :mod:`fleetgate.clusters.sources.table` has them in their order of preference.
"""
