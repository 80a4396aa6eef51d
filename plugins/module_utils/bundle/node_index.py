# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's memory of what it hashed, so that a converged run need not read hundreds of megabytes again."""

from __future__ import annotations

import json

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.checks import is_a

SCHEMA = 1
MAX_BYTES = 1024 * 1024
# Every one of these changes when somebody writes to the file or puts another in its place.
FIELDS = ("size", "mtime_ns", "ctime_ns", "ino")


def parse_index(text):
    """Return ``{path: {sha256, size, mtime_ns, ctime_ns, ino}}``; a text that is not ours is an empty index."""
    try:
        document = json.loads(text)
        files = document["files"] if document["schema"] == SCHEMA else {}
        return {path: entry for path, entry in files.items() if _is_entry(path, entry)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_entry(path, entry):
    return (
        path.startswith("/") and isinstance(entry, dict) and set(entry) == set(FIELDS) | {"sha256"}
        and isinstance(entry["sha256"], str) and all(is_a(entry[field], int) for field in FIELDS)
    )


def dump_index(index):
    """Return the text of an index."""
    return json.dumps({"schema": SCHEMA, "files": index}, indent=1, sort_keys=True) + "\n"


def entry(sha256, stamp):
    """Return the index entry of a file with this SHA-256; ``stamp`` has the FIELDS as found by stat."""
    return dict({field: stamp[field] for field in FIELDS}, sha256=sha256)


def remembered(index, path, stamp):
    """Return the SHA-256 of the file at ``path`` if nothing touched it since it was hashed, else None."""
    known = index.get(path)
    if known is None or any(known[field] != stamp[field] for field in FIELDS):
        return None
    return known["sha256"]


def former_paths(index, wanted_paths, *folders):
    """Return the image archives and packages that we put there once and that are not wanted any more.

    Nothing outside ``folders`` and nothing that the index does not list is ever returned.
    """
    ours = [folder.rstrip("/") for folder in folders]
    return sorted(path for path in index if path.rpartition("/")[0] in ours and path not in wanted_paths)
