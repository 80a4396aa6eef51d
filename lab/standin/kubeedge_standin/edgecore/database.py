"""EdgeCore's database: what the node knows when the cloud is away. Plain text, mode 0644, as upstream leaves it."""

from __future__ import annotations

import json
import os
import sqlite3
import threading

# The tables that real EdgeCore has without an event bus; this program uses the first.
_TABLES = """
CREATE TABLE IF NOT EXISTS `meta` (`key` text,`type` text,`value` text,PRIMARY KEY (`key`));
CREATE TABLE IF NOT EXISTS `meta_v2` (`key` text,`group_version_resource` text,`namespace` text,`name` text,
 `resource_version` integer,`value` text,PRIMARY KEY (`key`));
CREATE TABLE IF NOT EXISTS `device` (`id` text,`name` text,`description` text,`state` text,`last_online` text,PRIMARY KEY (`id`));
CREATE TABLE IF NOT EXISTS `device_attr` (`id` integer PRIMARY KEY AUTOINCREMENT,`deviceid` text,`name` text,`value` text);
CREATE TABLE IF NOT EXISTS `device_twin` (`id` integer PRIMARY KEY AUTOINCREMENT,`deviceid` text,`name` text,`expected` text,
 `actual` text);
"""


class DatabaseProblem(Exception):
    """The file cannot be opened; the text is sqlite's."""


class Database:
    def __init__(self, path):
        folder = os.path.dirname(path)
        try:
            os.makedirs(folder, mode=0o755, exist_ok=True)
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.executescript(_TABLES)
            os.chmod(path, 0o644)
        except (sqlite3.Error, OSError):
            raise DatabaseProblem("unable to open database file: no such file or directory") from None
        self._lock = threading.Lock()

    def put(self, key, kind, value):
        """Store a JSON document under namespace/type/name."""
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", (key, kind, json.dumps(value)))

    def get(self, key):
        with self._lock:
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def of_kind(self, kind):
        with self._lock:
            rows = self._connection.execute("SELECT value FROM meta WHERE type = ? ORDER BY key", (kind,)).fetchall()
        return [json.loads(row[0]) for row in rows]

    def remove(self, key):
        with self._lock:
            self._connection.execute("DELETE FROM meta WHERE key = ?", (key,))


def key(kind, obj):
    """The key of an object: default/pod/vision"""
    meta = obj["metadata"]
    return f"{meta.get('namespace', 'null')}/{kind}/{meta['name']}"
