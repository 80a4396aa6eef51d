"""Decoding (types, unknown fields) and validation of objects."""

from __future__ import annotations

import json
import re

from standin_common import quantity
from . import selectors
from .errors import bad_request, invalid
from .schema import ANY, BOOLEAN, INT_OR_STRING, INTEGER, LIST, MAP, NUMBER, OBJECT, QUANTITY, STRING

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PATH_SEGMENT_KINDS = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
_SUBDOMAIN_TEXT = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
                   "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
                   "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")
_LABEL_TEXT = ("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
               "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
               "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')")
_PYTHON = {OBJECT: dict, MAP: dict, LIST: list, STRING: str, INTEGER: int, NUMBER: (int, float), BOOLEAN: bool}
_GO = {STRING: "string", INTEGER: "int32", BOOLEAN: "bool", NUMBER: "float64", LIST: "slice", OBJECT: "struct",
       MAP: "map[string]string"}


class Decoder:
    """Walks an object along its type: prunes unknown fields, checks types, fills defaults of custom resources."""

    def __init__(self, resource, api_types_strict=False):
        self.resource = resource
        self.custom = bool(resource.custom)
        self.unknown = []       # paths that the type does not have
        self.problems = []      # causes for a 422 (custom resources)
        self.strict = api_types_strict

    def decode(self, obj):
        head = {k: obj[k] for k in ("kind", "apiVersion") if k in obj}
        body = {k: v for k, v in obj.items() if k not in head}
        return {**head, **self._walk(body, self.resource.type, "")}

    def _mistyped(self, value, node, path):
        if self.custom and not path.startswith("metadata"):
            self.problems.append(("FieldValueTypeInvalid", path, f"Invalid value: {_json_kind(value)!r}: {path} in "
                                  f"body must be of type {node.kind}: {_json_kind(value)!r}"))
            return value
        raise bad_request(
            f'{self.resource.kind} in version "{self.resource.version}" cannot be handled as a '
            f"{self.resource.kind}: json: cannot unmarshal {_json_kind(value)} into Go struct field "
            f"{self.resource.kind}{'Spec' if path.startswith('spec.') else ''}.{path} of type {_GO.get(node.kind)}")

    def _walk(self, value, node, path):
        if value is None:
            return None
        if node.kind == QUANTITY:
            return str(value) if not isinstance(value, (dict, list)) else self._mistyped(value, node, path)
        if node.kind == INT_OR_STRING or node.kind == ANY:
            return value
        wanted = _PYTHON[node.kind]
        if not isinstance(value, wanted) or isinstance(value, bool) and node.kind in (INTEGER, NUMBER):
            return self._mistyped(value, node, path)
        self._check_rules(value, node, path)
        if node.kind == LIST:
            return [self._walk(v, node.element, f"{path}[{i}]") for i, v in enumerate(value)]
        if node.kind == MAP:
            return {k: self._walk(v, node.element, f"{path}.{k}") for k, v in value.items()}
        if node.kind == OBJECT:
            return self._walk_object(value, node, path)
        return value

    def _walk_object(self, value, node, path):
        prefix = path + "." if path else ""
        fields, result = node.fields, {}
        if self.custom:
            for name, below in fields.items():
                if below.has_default and name not in value:
                    value = {**value, name: json.loads(json.dumps(below.default))}
                if name in node.required and name not in value:
                    self.problems.append(("FieldValueRequired", prefix + name, "Required value"))
        for key, inner in value.items():
            if key in fields:
                walked = self._walk(inner, fields[key], prefix + key)
                if walked is not None or self.custom and fields[key].nullable:
                    result[key] = walked
            elif node.open:
                result[key] = inner
            else:
                self.unknown.append(prefix + key)
        return result

    def _check_rules(self, value, node, path):
        rules = node.rules
        if not rules:
            return
        if "enum" in rules and value not in rules["enum"]:
            allowed = ", ".join(json.dumps(v) for v in rules["enum"])
            self.problems.append(("FieldValueNotSupported", path,
                                  f"Unsupported value: {json.dumps(value)}: supported values: {allowed}"))
        if "minimum" in rules and value < rules["minimum"]:
            self.problems.append(("FieldValueInvalid", path, f"Invalid value: {value}: {path} in body should be "
                                  f"greater than or equal to {rules['minimum']}"))
        if "maximum" in rules and value > rules["maximum"]:
            self.problems.append(("FieldValueInvalid", path, f"Invalid value: {value}: {path} in body should be "
                                  f"less than or equal to {rules['maximum']}"))
        if "pattern" in rules and isinstance(value, str) and not re.search(rules["pattern"], value):
            self.problems.append(("FieldValueInvalid", path, f"Invalid value: {json.dumps(value)}: {path} in body "
                                  f"should match '{rules['pattern']}'"))
        if "minLength" in rules and len(value) < rules["minLength"]:
            self.problems.append(("FieldValueInvalid", path, f"Invalid value: {json.dumps(value)}: {path} in body "
                                  f"should be at least {rules['minLength']} chars long"))


def _json_kind(value):
    return {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}[type(value)]


def _compact(value):
    return json.dumps(value, separators=(",", ":"))


def check(resource, obj, old, problems):
    """Raises 422 where the object is not valid; `problems` are causes that decoding has found already."""
    causes = list(problems)
    name = obj["metadata"]["name"]
    if resource.kind not in _PATH_SEGMENT_KINDS and (not _SUBDOMAIN.fullmatch(name) or len(name) > 253):
        causes.append(("FieldValueInvalid", "metadata.name", f'Invalid value: "{name}": {_SUBDOMAIN_TEXT}'))
    if not resource.custom:
        spec = obj.get("spec") or {}
        if resource.group == "apps":
            _check_workload(resource, obj, old, spec, causes)
        elif resource.kind == "Job" and "template" in spec:
            _check_pod_spec(spec["template"].get("spec") or {}, "spec.template.spec", causes)
        elif resource.kind == "Pod":
            _check_pod_spec(spec, "spec", causes)
            if old:
                _check_pod_update(obj, old, causes)
        elif resource.kind in ("Secret", "ConfigMap") and old and old.get("immutable"):
            for field in ("data", "binaryData", "stringData"):
                if obj.get(field) != old.get(field):
                    causes.append(("FieldValueForbidden", field, "Forbidden: field is immutable when `immutable` is set"))
    if causes:
        raise invalid(resource, name, causes)


def _check_workload(resource, obj, old, spec, causes):
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas < 0:
        causes.append(("FieldValueInvalid", "spec.replicas",
                       f"Invalid value: {replicas}: must be greater than or equal to 0"))
    if "template" not in spec:
        causes.append(("FieldValueRequired", "spec.template", "Required value"))
        return
    selector, template = spec.get("selector") or {}, spec["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(("FieldValueInvalid", "spec.selector", "Invalid value: {}: empty selector is invalid for "
                       + resource.kind.lower()))
    elif not selectors.matches(selector, labels):
        causes.append(("FieldValueInvalid", "spec.template.metadata.labels",
                       f"Invalid value: {_compact(labels)}: `selector` does not match template `labels`"))
    if old and (old.get("spec") or {}).get("selector") != spec.get("selector"):
        causes.append(("FieldValueInvalid", "spec.selector",
                       f"Invalid value: {_compact(spec.get('selector'))}: field is immutable"))
    if resource.kind == "Deployment":
        _check_strategy(spec.get("strategy") or {}, causes)
    policy = (template.get("spec") or {}).get("restartPolicy", "Always")
    if policy != "Always":
        causes.append(("FieldValueNotSupported", "spec.template.spec.restartPolicy",
                       f'Unsupported value: "{policy}": supported values: "Always"'))
    _check_pod_spec(template.get("spec") or {}, "spec.template.spec", causes)


def _check_strategy(strategy, causes):
    kind = strategy.get("type")
    if kind not in ("Recreate", "RollingUpdate"):
        causes.append(("FieldValueNotSupported", "spec.strategy.type",
                       f'Unsupported value: "{kind}": supported values: "Recreate", "RollingUpdate"'))
    elif kind == "Recreate" and strategy.get("rollingUpdate") is not None:
        causes.append(("FieldValueForbidden", "spec.strategy.rollingUpdate",
                       "Forbidden: may not be specified when strategy `type` is 'Recreate'"))
    elif kind == "RollingUpdate":
        update = strategy.get("rollingUpdate") or {}
        if all(str(update.get(k)).rstrip("%") == "0" for k in ("maxSurge", "maxUnavailable")):
            causes.append(("FieldValueInvalid", "spec.strategy.rollingUpdate.maxUnavailable",
                           "Invalid value: 0: may not be 0 when `maxSurge` is 0"))


def _check_pod_spec(spec, path, causes):
    containers = spec.get("containers") or []
    if not containers:
        causes.append(("FieldValueRequired", f"{path}.containers", "Required value"))
    seen, volumes = set(), {v.get("name") for v in spec.get("volumes") or []}
    for index, container in enumerate(containers):
        here = f"{path}.containers[{index}]"
        name = container.get("name")
        if not name:
            causes.append(("FieldValueRequired", f"{here}.name", "Required value"))
        elif not _LABEL.fullmatch(name) or len(name) > 63:
            causes.append(("FieldValueInvalid", f"{here}.name", f'Invalid value: "{name}": {_LABEL_TEXT}'))
        elif name in seen:
            causes.append(("FieldValueDuplicate", f"{here}.name", f'Duplicate value: "{name}"'))
        seen.add(name)
        if not container.get("image"):
            causes.append(("FieldValueRequired", f"{here}.image", "Required value"))
        for mount_index, mount in enumerate(container.get("volumeMounts") or []):
            if mount.get("name") not in volumes:
                causes.append(("FieldValueNotFound", f"{here}.volumeMounts[{mount_index}].name",
                               f'Not found: "{mount.get("name")}"'))
        _check_resources(container.get("resources") or {}, here + ".resources", causes)


def _check_resources(resources, path, causes):
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for where, table in (("limits", limits), ("requests", requests)):
        for name, amount in table.items():
            try:
                value = quantity.parse(amount)
            except ValueError:
                causes.append(("FieldValueInvalid", f"{path}.{where}", f'Invalid value: "{amount}": quantities must '
                               "match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"))
                continue
            if quantity.is_extended(name) and value != int(value):
                causes.append(("FieldValueInvalid", f"{path}.{where}[{name}]",
                               f'Invalid value: "{amount}": must be an integer'))
    for name, amount in requests.items():
        if quantity.is_extended(name) and name not in limits:
            causes.append(("FieldValueRequired", f"{path}.limits",
                           "Required value: Limit must be set for non overcommitable resources"))
        elif name in limits and quantity.parse(amount) > quantity.parse(limits[name]):
            causes.append(("FieldValueInvalid", f"{path}.requests",
                           f'Invalid value: "{amount}": must be less than or equal to {name} limit of {limits[name]}'))


def _check_pod_update(pod, old, causes):
    def fixed(spec):
        kept = {k: v for k, v in spec.items() if k not in
                ("nodeName", "tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds")}
        for name in ("containers", "initContainers"):
            if name in kept:
                kept[name] = [{k: v for k, v in c.items() if k != "image"} for c in kept[name]]
        return kept

    if fixed(pod.get("spec") or {}) != fixed(old.get("spec") or {}):
        causes.append(("FieldValueForbidden", "spec", "Forbidden: pod updates may not change fields other than "
                       "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                       "`spec.tolerations` (only additions to existing tolerations),"
                       "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"))
