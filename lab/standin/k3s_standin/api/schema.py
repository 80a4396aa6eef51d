"""Types of objects: what a field may hold, how lists merge. Built-in types come from data/schema.json (see
lab/standin/schema_source.py for the notation), those of custom resources from their CRD."""

from __future__ import annotations

from functools import lru_cache

from ..build_info import data

OBJECT, MAP, LIST, STRING, INTEGER, NUMBER, BOOLEAN, ANY, INT_OR_STRING, QUANTITY = (
    "object", "map", "list", "string", "integer", "number", "boolean", "any", "int-or-string", "quantity")
_SCALARS = {"s": STRING, "i": INTEGER, "n": NUMBER, "b": BOOLEAN, "o": ANY, "x": INT_OR_STRING, "q": QUANTITY}


class Node:
    """One place in a type. `merge` of a list: None (atomic), "set" or a tuple of key fields."""

    __slots__ = ("kind", "atomic", "merge", "element", "_fields", "_load", "required", "open", "nullable", "rules",
                 "default", "has_default")

    def __init__(self, kind, **kw):
        self.kind = kind
        self.atomic = kw.get("atomic", False)
        self.merge = kw.get("merge")
        self.element = kw.get("element")
        self._fields = kw.get("fields")
        self._load = kw.get("load")
        self.required = kw.get("required", ())
        self.open = kw.get("open", False)          # unknown fields are kept
        self.nullable = kw.get("nullable", False)
        self.rules = kw.get("rules") or {}
        self.has_default = "default" in kw
        self.default = kw.get("default")

    @property
    def fields(self):
        if self._fields is None and self._load:
            self._fields, self.required = self._load()
        return self._fields or {}

    def field(self, name):
        """The node below `name`, or ANY_NODE where the type does not say."""
        if self.kind == OBJECT:
            return self.fields.get(name, ANY_NODE)
        return self.element if self.kind == MAP and self.element else ANY_NODE


ANY_NODE = Node(ANY, open=True)


def _parse(note: str) -> Node:
    tag, _, rest = note.rstrip("!").partition(":")
    if tag in _SCALARS:
        return Node(_SCALARS[tag])
    if tag == "T":
        return builtin_type(rest)
    if tag in ("D", "A"):
        return Node(MAP, element=_parse(rest), atomic=tag == "A")
    if tag == "L":
        return Node(LIST, element=_parse(rest))
    if tag == "S":
        return Node(LIST, element=_parse(rest), merge="set")
    keys, _, element = rest.partition(":")
    return Node(LIST, element=_parse(element), merge=tuple(keys.split(",")))


@lru_cache(maxsize=None)
def builtin_type(name: str) -> Node:
    types = data("schema.json")["types"]
    if name not in types:
        return ANY_NODE

    def load():
        notes = types[name]
        return {f: _parse(n) for f, n in notes.items()}, tuple(f for f, n in notes.items() if n.endswith("!"))

    return Node(OBJECT, load=load, atomic=name in data("schema.json")["atomic"])


def builtin_root(api_version: str, kind: str) -> Node:
    return builtin_type(data("schema.json")["roots"][f"{api_version}/{kind}"])


def from_openapi(schema: dict) -> Node:
    """A CRD's openAPIV3Schema as a type; metadata is the built-in one."""
    root = _openapi_node(schema or {"x-kubernetes-preserve-unknown-fields": True})
    if root.kind != OBJECT:
        root = Node(OBJECT, fields={}, open=True)
    root.fields.update(apiVersion=Node(STRING), kind=Node(STRING), metadata=builtin_type("V1ObjectMeta"))
    return root


def _openapi_node(schema: dict) -> Node:
    rules = {k: schema[k] for k in ("enum", "minimum", "maximum", "pattern", "minLength", "maxLength") if k in schema}
    common = {"rules": rules, "nullable": schema.get("nullable", False)}
    if "default" in schema:
        common["default"] = schema["default"]
    if schema.get("x-kubernetes-int-or-string"):
        return Node(INT_OR_STRING, **common)
    kind = schema.get("type")
    if kind == "array":
        list_type = schema.get("x-kubernetes-list-type")
        merge = {"set": "set", "map": tuple(schema.get("x-kubernetes-list-map-keys", ()))}.get(list_type)
        return Node(LIST, element=_openapi_node(schema.get("items") or {}), merge=merge, **common)
    if kind in (STRING, INTEGER, NUMBER, BOOLEAN):
        return Node(kind, **common)
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        return Node(MAP, element=_openapi_node(extra), **common)
    if kind == "object" or "properties" in schema:
        fields = {k: _openapi_node(v) for k, v in (schema.get("properties") or {}).items()}
        return Node(OBJECT, fields=fields, required=tuple(schema.get("required", ())),
                    open=bool(schema.get("x-kubernetes-preserve-unknown-fields") or extra is True),
                    atomic=schema.get("x-kubernetes-map-type") == "atomic", **common)
    return Node(ANY, open=True, **common)
