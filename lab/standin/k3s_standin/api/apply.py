"""Server-side apply: merging, conflicts between managers, and removal of fields that were given up."""

from __future__ import annotations

from . import fields
from .errors import ApiError
from .schema import LIST, MAP, OBJECT
from .store import copy


def merge(live, applied, node):
    """The live value with the applied configuration laid over it."""
    if isinstance(live, dict) and isinstance(applied, dict) and not node.atomic:
        result = dict(live)
        for key, value in applied.items():
            below = node.field(key) if node.kind in (OBJECT, MAP) else node
            result[key] = merge(live.get(key), value, below)
        return result
    if isinstance(live, list) and isinstance(applied, list) and node.kind == LIST and node.merge:
        if node.merge == "set":
            return live + [v for v in applied if v not in live]
        wanted = {fields.item_key(item, node.merge): item for item in applied}
        result = []
        for item in live:
            mine = wanted.pop(fields.item_key(item, node.merge), None)
            result.append(item if mine is None else merge(item, mine, node.element))
        return result + [copy(item) for item in wanted.values()]
    return copy(applied)


def find_conflicts(managers, me, live, applied):
    """[(path, (manager, operation, subresource), apiVersion)]: fields of others to which we give another value."""
    found = []
    for who, (paths, _, version) in managers.others(me).items():
        for path in sorted(paths & set(applied)):
            if path in live and live[path] != applied[path] and not path[-1].startswith("k:"):
                found.append((path, who, version))
    return found


def _describe(who, version):
    manager, operation, subresource = who
    text = f'"{manager}"'
    if subresource:
        text += f' with subresource "{subresource}"'
    return text + (f" using {version}" if operation == "Update" else "")


def conflict_error(conflicts):
    causes = [{"reason": "FieldManagerConflict", "message": f"conflict with {_describe(who, version)}",
               "field": fields.dotted(path)} for path, who, version in conflicts]
    if len(conflicts) == 1:
        path, who, version = conflicts[0]
        text = f"conflict with {_describe(who, version)}: {fields.dotted(path)}"
        return ApiError(409, "Conflict", f"Apply failed with 1 conflict: {text}", {"causes": causes})
    groups = {}
    for path, who, version in conflicts:
        groups.setdefault(_describe(who, version), []).append(fields.dotted(path))
    text = "\n".join(f"conflict{'s' if len(p) > 1 else ''} with {w}:" + "".join(f"\n- {x}" for x in p)
                     for w, p in groups.items())
    return ApiError(409, "Conflict", f"Apply failed with {len(conflicts)} conflicts: {text}", {"causes": causes})


def drop_relinquished(obj, managers, me, applied):
    """Removes from obj what `me` applied before, applies no more, and nobody else owns."""
    others = set()
    for paths, _, _ in managers.others(me).values():
        others |= paths
    kept = others | set(applied)
    # Shortest first: an item of a keyed list goes as a whole; once its key were gone, it could not be found any more.
    for path in sorted(managers.paths(me) - set(applied), key=len):
        if not any(other[:len(path)] == path for other in kept):
            fields.remove(obj, path)
