"""Load test: recorded reviews sent to a server or webhook at a rate or with a number of callers.

Open loop (``--rate``) fixes the intended send times beforehand and counts latency from them, so a server that stalls
shows in the percentiles of every request that should have been sent meanwhile. Closed loop (``--concurrency``) has each
caller wait for its answer before it asks again.

``command`` (the verb) → ``run`` (processes: start together, stop, merge) → ``worker`` (one process) → ``pacing`` (when
to send) and ``transport`` (how) → ``tally`` (what came of it) → ``report`` (table, JSON, verdict).
"""
