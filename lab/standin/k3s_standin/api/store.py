"""Objects in memory, written through to SQLite in the table layout of kine (id = revision, one row per change).

Stored objects are never changed in place: whoever wants to change one copies it first. The history that watches
replay lives in memory only, as in a real API server: after a restart an older version answers "too old".
"""

from __future__ import annotations

import collections
import json
import sqlite3
import threading
import time
from pathlib import Path

HISTORY = 2000
COMPACT_EVERY = 300.0
_TABLE = """
CREATE TABLE IF NOT EXISTS kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER, deleted INTEGER,
  create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name, id);
"""
Event = collections.namedtuple("Event", "revision type key object old")


def copy(obj):
    """A deep copy of a JSON value; several times faster than copy.deepcopy."""
    if isinstance(obj, dict):
        return {k: copy(v) for k, v in obj.items()}
    if isinstance(obj, list):
        return [copy(v) for v in obj]
    return obj


class Store:
    """`lock` guards everything; `changed` is notified after every write."""

    def __init__(self, path):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._db = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-512;" + _TABLE)
        self._objects = collections.defaultdict(dict)   # resource key -> {(namespace, name): object}
        self.history = collections.deque()
        self._load()
        self._next_compaction = time.monotonic() + COMPACT_EVERY

    def _load(self):
        rows = self._db.execute(
            "SELECT name, value FROM kine WHERE id IN (SELECT MAX(id) FROM kine GROUP BY name) AND deleted = 0 "
            "AND name LIKE '/registry/%'")
        for name, value in rows:
            _, _, group, plural, namespace, obj_name = name.split("/")
            key = ("" if group == "core" else group, plural)
            self._objects[key]["" if namespace == "-" else namespace, obj_name] = json.loads(value)
        last = self._db.execute("SELECT MAX(id) FROM kine").fetchone()[0]
        if last is None:  # like a real datastore, the first objects do not have revision 1
            last = 3
            self._db.execute("INSERT INTO kine(id, name, created, deleted, create_revision, prev_revision, lease, value)"
                             " VALUES(?, 'compact_rev_key', 1, 0, 0, 0, 0, '')", (last,))
        self.revision = last
        self.oldest = last + 1

    @staticmethod
    def _name(resource, namespace, name):
        return f"/registry/{resource.group or 'core'}/{resource.plural}/{namespace or '-'}/{name}"

    def get(self, resource, namespace, name):
        with self.lock:
            return self._objects[resource.key].get((namespace or "", name))

    def list(self, resource, namespace=None):
        with self.lock:
            found = self._objects[resource.key]
            return [found[k] for k in sorted(found) if namespace is None or k[0] == namespace]

    def write(self, resource, old, new):
        """Stores `new` in place of `old`; new=None deletes, old=None creates. Returns what watchers see."""
        with self.lock:
            self.revision += 1
            stored = copy(new if new is not None else old)
            meta = stored["metadata"]
            meta["resourceVersion"] = str(self.revision)
            key = (meta.get("namespace", "") if resource.namespaced else "", meta["name"])
            deleted = new is None
            self._db.execute(
                "INSERT INTO kine(id, name, created, deleted, create_revision, prev_revision, lease, value)"
                " VALUES(?,?,?,?,?,?,0,?)",
                (self.revision, self._name(resource, *key), int(old is None), int(deleted), 0,
                 int(old["metadata"]["resourceVersion"]) if old else 0, json.dumps(stored, separators=(",", ":"))))
            if deleted:
                self._objects[resource.key].pop(key, None)
            else:
                self._objects[resource.key][key] = stored
            kind = "DELETED" if deleted else "MODIFIED" if old else "ADDED"
            self.history.append(Event(self.revision, kind, resource.key, stored, old))
            if len(self.history) > HISTORY:
                self.oldest = self.history.popleft().revision + 1
            if time.monotonic() > self._next_compaction:
                self._compact()
            self.changed.notify_all()
            return stored

    def drop_all(self, resource):
        with self.lock:
            for obj in list(self._objects[resource.key].values()):
                self.write(resource, obj, None)

    def _compact(self):
        self._next_compaction = time.monotonic() + COMPACT_EVERY
        self._db.execute("DELETE FROM kine WHERE id <= ? AND (deleted = 1 OR id NOT IN "
                         "(SELECT MAX(id) FROM kine GROUP BY name))", (self.revision - HISTORY,))

    # Values outside the API: K3s keeps its encrypted certificate authorities here.
    def read_value(self, prefix):
        """(name, text) of the newest live row whose name starts with prefix, or None."""
        with self.lock:
            return self._db.execute("SELECT name, value FROM kine WHERE name LIKE ? AND deleted = 0 "
                                    "ORDER BY id DESC LIMIT 1", (prefix + "%",)).fetchone()

    def write_value(self, name, text):
        with self.lock:
            self.revision += 1
            self._db.execute("INSERT INTO kine(id, name, created, deleted, create_revision, prev_revision, lease,"
                             " value) VALUES(?,?,1,0,0,0,0,?)", (self.revision, name, text))

    def close(self):
        with self.lock:
            self._db.close()


def open_store(directory) -> Store:
    directory = Path(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Store(directory / "state.db")
