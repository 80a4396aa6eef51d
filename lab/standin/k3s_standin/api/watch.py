"""The event stream of a watch request."""

from __future__ import annotations

import random
import time

from . import errors, selectors
from .objects import copy

_BOOKMARK_EVERY = 60.0
_LIVENESS = 15.0


def _is_true(text):
    return (text or "").lower() in ("1", "true", "t")


def events(objects, resource, namespace, query, client_gone):
    """Yields watch events. `client_gone()` is asked now and then, so that dead clients do not keep a thread."""
    store = objects.store
    selects = selectors.of_request(resource, query)
    version = query.get("resourceVersion", "")
    if version and not version.isdigit():
        raise errors.ApiError(500, None, f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing '
                              f'"{version}": invalid syntax')
    initial = _is_true(query.get("sendInitialEvents"))
    return _stream(store, resource, namespace, selects, int(version or 0), initial,
                   _is_true(query.get("allowWatchBookmarks")), _seconds(query), client_gone)


def _seconds(query):
    asked = float(query.get("timeoutSeconds") or 0)
    return asked if asked else random.uniform(1800, 3600)


def _stream(store, resource, namespace, selects, cursor, initial, bookmarks, seconds, client_gone):
    end = time.monotonic() + seconds
    with store.lock:
        if cursor and not initial and cursor < store.oldest - 1:
            yield {"type": "ERROR", "object": errors.expired(cursor, store.oldest - 1).body}
            return
        first = []
        if cursor == 0 or initial:
            first = [o for o in store.list(resource, namespace) if selects(o)]
            cursor = store.revision
    for obj in first:
        yield {"type": "ADDED", "object": obj}
    if initial:
        yield _bookmark(resource, cursor, {"k8s.io/initial-events-end": "true"})
    next_bookmark = time.monotonic() + _BOOKMARK_EVERY
    last_bookmarks = [end - 2.0, end - 1.0]
    while True:
        now = time.monotonic()
        if now >= end:
            return
        with store.changed:
            if store.revision <= cursor:
                due = min([end, next_bookmark, now + _LIVENESS] + last_bookmarks[:1])
                store.changed.wait(max(0.01, due - now))
            pending = _since(store, cursor)
            if pending is None:
                yield {"type": "ERROR", "object": errors.expired(cursor, store.oldest - 1).body}
                return
            cursor = store.revision
        for event in pending:
            shown = _show(event, resource, namespace, selects)
            if shown:
                yield shown
        now = time.monotonic()
        if bookmarks and (now >= next_bookmark or last_bookmarks and now >= last_bookmarks[0]):
            if last_bookmarks and now >= last_bookmarks[0]:
                last_bookmarks.pop(0)
            next_bookmark = now + _BOOKMARK_EVERY
            yield _bookmark(resource, cursor)
        elif last_bookmarks and now >= last_bookmarks[0]:
            last_bookmarks.pop(0)
        if client_gone():
            return


def _since(store, cursor):
    """Events after revision `cursor`, oldest first; None where the history no longer reaches back that far."""
    if cursor < store.oldest - 1:
        return None
    found = []
    for event in reversed(store.history):
        if event.revision <= cursor:
            break
        found.append(event)
    return found[::-1]


def _bookmark(resource, revision, annotations=None):
    meta = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        meta["annotations"] = annotations
    return {"type": "BOOKMARK",
            "object": {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}}


def _show(event, resource, namespace, selects):
    """The event as this watcher sees it: an object that leaves the selection is DELETED for him."""
    if event.key != resource.key:
        return None
    if namespace is not None and event.object["metadata"].get("namespace") != namespace:
        return None
    was = event.old is not None and selects(event.old)
    is_now = event.type != "DELETED" and selects(event.object)
    if is_now:
        return {"type": "MODIFIED" if was else "ADDED", "object": event.object}
    if not was:
        return None
    gone = event.object
    if event.type != "DELETED":
        gone = copy(event.old)
        gone["metadata"]["resourceVersion"] = str(event.revision)
    return {"type": "DELETED", "object": gone}
