"""Runs all controllers in one thread, a moment after something changed that they look at."""

from __future__ import annotations

import sys
import threading
import time
import traceback

from ..api.errors import ApiError

# A controller acts this long after a change. It is what a client sees as the lag of observedGeneration
# (0.06 to 0.13 s on a real server).
REACTION_SECONDS = 0.06


class Runner:
    """Controllers have `watches` (plural names, None for all), `sync()` and `wake_in` (seconds or None)."""

    def __init__(self, store, controllers):
        self._store, self._controllers = store, controllers
        self._stop = False

    def start(self):
        threading.Thread(target=self._run, daemon=True, name="controllers").start()
        return self

    def stop(self):
        self._stop = True
        with self._store.changed:
            self._store.changed.notify_all()

    def _run(self):
        cursor, due = 0, {c: 0.0 for c in self._controllers}
        while not self._stop:
            now = time.monotonic()
            for controller in [c for c, at in due.items() if at <= now]:
                due[controller] = float("inf")
                self._sync(controller)
                if controller.wake_in is not None:
                    due[controller] = time.monotonic() + controller.wake_in
            with self._store.changed:
                if self._store.revision <= cursor:
                    self._store.changed.wait(max(0.005, min(30.0, min(due.values()) - time.monotonic())))
                changed = {e.key[1] for e in self._recent(cursor)}
                cursor = self._store.revision
            soon = time.monotonic() + REACTION_SECONDS
            for controller in self._controllers:
                if changed and self._concerns(controller, changed):
                    due[controller] = min(due[controller], soon)

    @staticmethod
    def _concerns(controller, changed):
        if controller.watches is None:
            return bool(changed - {"leases", "events"})
        return bool(changed & controller.watches)

    def _recent(self, cursor):
        found = []
        for event in reversed(self._store.history):
            if event.revision <= cursor:
                break
            found.append(event)
        return found

    @staticmethod
    def _sync(controller):
        try:
            controller.sync()
        except ApiError as refusal:
            print(f"{type(controller).__name__}: {refusal}", file=sys.stderr)
            controller.wake_in = 1.0
        except Exception:
            traceback.print_exc(file=sys.stderr)
            controller.wake_in = 1.0
