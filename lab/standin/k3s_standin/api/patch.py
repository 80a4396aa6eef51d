"""The three client-side patch formats: JSON merge patch, JSON patch and strategic merge patch."""

from __future__ import annotations

from .errors import ApiError
from .schema import LIST, MAP, OBJECT
from .store import copy


def merge_patch(obj, patch):
    """RFC 7386: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return copy(patch)
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


class _Unapplicable(Exception):
    pass


def json_patch(obj, operations):
    """RFC 6902."""
    obj = copy(obj)
    try:
        for operation in operations:
            _apply_operation(obj, operation)
    except (_Unapplicable, KeyError, IndexError, ValueError, TypeError, AttributeError):
        raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {}) from None
    return obj


def _pointer(path):
    return [p.replace("~1", "/").replace("~0", "~") for p in path.split("/")[1:]]


def _walk(obj, steps):
    for step in steps:
        obj = obj[int(step)] if isinstance(obj, list) else obj[step]
    return obj


def _apply_operation(obj, operation):
    kind, steps = operation["op"], _pointer(operation["path"])
    if kind == "test":
        if _walk(obj, steps) != operation["value"]:
            raise _Unapplicable()
        return
    if kind in ("move", "copy"):
        source = _pointer(operation["from"])
        value = copy(_walk(obj, source))
        if kind == "move":
            _edit(_walk(obj, source[:-1]), source[-1], "remove", None)
        _edit(_walk(obj, steps[:-1]), steps[-1], "add", value)
    else:
        _edit(_walk(obj, steps[:-1]), steps[-1], kind, copy(operation.get("value")))


def _edit(parent, last, kind, value):
    if isinstance(parent, list):
        index = len(parent) if last == "-" else int(last)
        if kind == "add":
            parent.insert(index, value)
        elif kind == "remove":
            del parent[index]
        elif kind == "replace":
            parent[index] = value
        else:
            raise _Unapplicable()
    elif kind == "remove":
        del parent[last]
    elif kind == "add" or kind == "replace" and last in parent:
        parent[last] = value
    else:
        raise _Unapplicable()


_ABSENT = object()


def strategic_merge_patch(obj, patch, node):
    """Kubernetes' own format: keyed lists merge by key, `$patch: delete|replace` directs."""
    merged = _strategic(obj, patch, node)
    return {} if merged is _ABSENT else merged


def _strategic(obj, patch, node):
    if isinstance(patch, dict):
        return _strategic_object(obj, patch, node)
    if isinstance(patch, list):
        if node.kind == LIST and node.merge == "set":
            return (obj or []) + [v for v in patch if v not in (obj or [])]
        if node.kind == LIST and node.merge:
            return _strategic_list(obj or [], patch, node)
        return [_strategic({}, v, node.element) if isinstance(v, dict) and node.element else v for v in patch]
    return patch


def _strategic_object(obj, patch, node):
    directive = patch.get("$patch")
    if directive == "delete":
        return _ABSENT
    if directive == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    result = dict(obj) if isinstance(obj, dict) else {}
    if "$retainKeys" in patch:
        result = {k: v for k, v in result.items() if k in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            target = key.split("/", 1)[1]
            result[target] = [v for v in result.get(target, []) if v not in value]
        elif key.startswith("$"):
            continue  # $setElementOrder: the present order is kept
        elif value is None:
            result.pop(key, None)
        else:
            below = node.field(key) if node.kind in (OBJECT, MAP) else node
            merged = _strategic(result.get(key), value, below)
            if merged is _ABSENT:
                result.pop(key, None)
            else:
                result[key] = merged
    return result


def _strategic_list(obj, patch, node):
    key = node.merge[0]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" and key not in item for item in patch):
        return [item for item in patch if "$patch" not in item]
    result = list(obj)
    for item in patch:
        at = next((i for i, have in enumerate(result) if have.get(key) == item.get(key)), None)
        merged = _strategic({} if at is None else result[at], item, node.element)
        if at is None:
            if merged is not _ABSENT:
                result.append(merged)
        else:
            result[at:at + 1] = [] if merged is _ABSENT else [merged]
    return result
