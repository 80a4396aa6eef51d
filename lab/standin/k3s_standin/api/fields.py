"""Field ownership: which manager wrote which field, in the FieldsV1 form of metadata.managedFields.

A path is a tuple of FieldsV1 elements: `f:name` for a field, `k:{"name":"x"}` for an item of a keyed list,
`v:"x"` for a value of a set.
"""

from __future__ import annotations

import json

from .schema import LIST, MAP, OBJECT

# Written by the server, never owned by a manager.
_UNTRACKED = {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields",
              "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}
_KEY_DEFAULTS = {"protocol": "TCP"}


def compact(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def item_key(item, keys):
    """The `k:{…}` element of a list item."""
    return "k:" + compact({k: item.get(k, _KEY_DEFAULTS.get(k)) for k in keys})


def leaves(obj, node):
    """{path: value} of everything that can be owned in obj."""
    found = {}

    def walk(value, path, at):
        if isinstance(value, dict) and value and not at.atomic and at.kind in (OBJECT, MAP, "any"):
            for key, inner in value.items():
                if path == () and key in ("apiVersion", "kind"):
                    continue
                if path == ("f:metadata",) and key in _UNTRACKED:
                    continue
                walk(inner, path + ("f:" + key,), at.field(key))
        elif isinstance(value, list) and value and at.kind == LIST and at.merge:
            for item in value:
                if at.merge == "set":
                    found[path + ("v:" + compact(item),)] = item
                elif isinstance(item, dict):
                    below = path + (item_key(item, at.merge),)
                    found[below] = True
                    for key, inner in item.items():
                        walk(inner, below + ("f:" + key,), at.element.field(key))
        elif path:
            found[path] = value

    walk(obj, (), node)
    return found


def to_fields_v1(paths):
    root = {}
    for path in sorted(paths):
        at = root
        for element in path:
            at = at.setdefault(element, {})
        if path[-1].startswith("k:"):
            at["."] = {}
    return root


def from_fields_v1(fields, prefix=()):
    for element, below in fields.items():
        if element == ".":
            if prefix and prefix[-1].startswith("k:"):
                yield prefix
        elif below:
            yield from from_fields_v1(below, prefix + (element,))
        else:
            yield prefix + (element,)


def dotted(path):
    """A path as error messages show it: .spec.containers[name="x"].image"""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += "." + rest
        elif kind == "k":
            text += "[" + ",".join(f"{k}={compact(v)}" for k, v in json.loads(rest).items()) + "]"
        else:
            text += f"[={rest}]"
    return text


def remove(obj, path):
    """Removes what a path names from obj (in place), and parents that become empty by it."""
    trail, at = [], obj
    for element in path[:-1]:
        trail.append((at, element))
        at = _step(at, element)
        if at is None:
            return
    last = path[-1]
    if last.startswith("f:"):
        if isinstance(at, dict):
            at.pop(last[2:], None)
    elif isinstance(at, list):
        at[:] = [item for item in at if not _is_item(item, last)]
    for parent, element in reversed(trail[1:]):
        if not element.startswith("f:") or parent.get(element[2:]) not in ({}, []):
            break
        parent.pop(element[2:])


def _step(at, element):
    if element.startswith("f:"):
        return at.get(element[2:]) if isinstance(at, dict) else None
    if isinstance(at, list):
        return next((item for item in at if _is_item(item, element)), None)
    return None


def _is_item(item, element):
    wanted = json.loads(element[2:])
    if element.startswith("v:"):
        return item == wanted
    return isinstance(item, dict) and all(item.get(k, _KEY_DEFAULTS.get(k)) == v for k, v in wanted.items())


class Managers:
    """The managedFields of one object as {(manager, operation, subresource): (paths, time, apiVersion)}."""

    def __init__(self, entries=()):
        self.owned = {}
        for entry in entries or ():
            who = (entry["manager"], entry["operation"], entry.get("subresource"))
            self.owned[who] = (frozenset(from_fields_v1(entry.get("fieldsV1") or {})), entry.get("time"),
                               entry["apiVersion"])

    def paths(self, who):
        return self.owned.get(who, (frozenset(), None, None))[0]

    def others(self, who):
        return {k: v for k, v in self.owned.items() if k != who}

    def release(self, paths, except_for=None):
        paths = frozenset(paths)
        if paths:
            for who, (mine, time, version) in self.owned.items():
                if who != except_for and mine & paths:
                    self.owned[who] = (mine - paths, time, version)

    def set(self, who, paths, time, api_version):
        """Records what `who` owns now; the time changes only with the set."""
        paths, before = frozenset(paths), self.owned.get(who)
        if before and before[0] == paths:
            time = before[1]
        self.owned[who] = (paths, time, api_version)

    def touch(self, who, time):
        paths, _, version = self.owned[who]
        self.owned[who] = (paths, time, version)

    def entries(self):
        result = []
        for (manager, operation, subresource), (paths, time, version) in self.owned.items():
            if paths:
                entry = {"manager": manager, "operation": operation, "apiVersion": version, "time": time,
                         "fieldsType": "FieldsV1", "fieldsV1": to_fields_v1(paths)}
                if subresource:
                    entry["subresource"] = subresource
                result.append(entry)
        return result
