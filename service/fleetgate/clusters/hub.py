"""Reads the hub's sources: what they select is watched, what it says is offered to the registry."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence

from fleetgate.clusters.objects import Key, Object, Objects, key_of
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.runner import HUB
from fleetgate.clusters.sources.context import HubOptions, Source
from fleetgate.engine.feeds import Feeds, ObjectEvent, Selector

_LOGGER = logging.getLogger(__name__)
_NAP_SECONDS = 1.0
_PAUSE_SECONDS = 5.0

Offer = Callable[[str, Sequence[Registration], bool], None]
"""(source, registrations, whether it was read whole)"""


class Sightings:
    """What the watches say. An object that two selectors see is gone when neither sees it any more."""

    def __init__(self) -> None:
        self.objects = Objects()
        self._seen: dict[Selector, dict[Key, Object]] = {}
        self._synced: set[Selector] = set()
        self.problems: dict[Selector, str] = {}

    def take(self, event: ObjectEvent) -> None:
        """Take note of an event; those of selectors that are not watched any more are passed over."""
        selector = Selector(*event[1])
        if selector not in self._seen:
            return
        match event:
            case ("synced", _):
                self._synced.add(selector)
                self.problems.pop(selector, None)
            case ("failed", _, str(words)):
                self.problems[selector] = words
            case ("put", _, _, _, _, bytes(content)):
                self._put(selector, json.loads(content))
            case ("delete", _, str(group), _, str(kind), str(namespace), str(name)):
                self._remove(selector, (group, kind, namespace, name))

    def select(self, selectors: Sequence[Selector]) -> bool:
        """Watch these from now on; what only others saw is forgotten. Whether they are others than before."""
        wanted = set(selectors)
        if wanted == set(self._seen):
            return False
        for selector in set(self._seen) - wanted:
            for key in list(self._seen[selector]):
                self._remove(selector, key)
            del self._seen[selector]
            self._synced.discard(selector)
            self.problems.pop(selector, None)
        for selector in wanted - set(self._seen):
            self._seen[selector] = {}
        return True

    def is_read(self, selectors: Sequence[Selector]) -> bool:
        """Whether all of these told everything."""
        return self._synced.issuperset(selectors)

    def _put(self, selector: Selector, one: Object) -> None:
        key = key_of(one)
        self._seen[selector][key] = one
        self.objects.put(one)

    def _remove(self, selector: Selector, key: Key) -> None:
        self._seen[selector].pop(key, None)
        others = [seen[key] for seen in self._seen.values() if key in seen]
        if others:
            self.objects.put(others[-1])
        else:
            self.objects.remove(key)


class Hub:
    """A thread that reads sources of the hub."""

    def __init__(self, feeds: Feeds, sources: Sequence[Source], options: HubOptions, offer: Offer) -> None:
        self._feeds, self._sources, self._options, self._offer = feeds, sources, options, offer
        self._sightings = Sightings()
        self._offered: dict[str, tuple[tuple[Registration, ...], bool]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)

    def start(self) -> None:
        """Begin to read. The hub is connected."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    @property
    def problems(self) -> dict[str, str]:
        """What cannot be watched, and why."""
        return {_words(selector): words for selector, words in dict(self._sightings.problems).items()}

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch()
            except Exception:
                _LOGGER.exception("reading the hub failed; it is begun anew")
                self._stop.wait(_PAUSE_SECONDS)

    def _watch(self) -> None:
        self._sightings = Sightings()
        self._sightings.select(self._selectors())
        watch = self._feeds.watch_objects(HUB, self._selectors())
        try:
            while not self._stop.is_set():
                events = watch.next(_NAP_SECONDS)
                for event in events:
                    self._sightings.take(event)
                if events:
                    # What an object names is selected in turn, until nothing new is.
                    while self._sightings.select(selectors := self._selectors()):
                        watch.select(selectors)
                    self._tell()
        finally:
            watch.close()

    def _selectors(self) -> list[Selector]:
        found = [one for source in self._sources for one in source.selectors(self._sightings.objects, self._options)]
        return list(dict.fromkeys(found))

    def _tell(self) -> None:
        objects = self._sightings.objects
        for source in self._sources:
            registrations = tuple(source.registrations(objects, self._options))
            known = self._offered.get(source.name)
            # Once read whole it stays so: a Secret that is selected later, and not read yet, is a problem of one
            # registration, and problems end nothing.
            read = (known is not None and known[1]) or self._sightings.is_read(source.selectors(objects, self._options))
            told = (registrations, read)
            if known != told:
                self._offered[source.name] = told
                self._offer(source.name, *told)


def _words(selector: Selector) -> str:
    kind = f"{selector.kind}.{selector.group}" if selector.group else selector.kind
    narrowed = selector.fields or selector.labels
    return " ".join(part for part in (kind, f"in {selector.namespace}" if selector.namespace else "", narrowed) if part)
