"""Label and field selectors: of objects (LabelSelector) and of requests (query strings)."""

from __future__ import annotations

import re

from .errors import bad_request

_FIELDS = {
    "pods": {"spec.nodeName", "status.phase", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
             "status.podIP", "spec.hostNetwork", "status.nominatedNodeName"},
    "secrets": {"type"},
    "nodes": {"spec.unschedulable"},
    "namespaces": {"status.phase"},
    "events": {"involvedObject.name", "involvedObject.kind", "involvedObject.namespace", "involvedObject.uid",
               "involvedObject.apiVersion", "involvedObject.fieldPath", "reason", "type", "source",
               "reportingComponent"},
    "replicasets": {"status.replicas"},
    "jobs": {"status.successful"},
}


def _holds(labels, key, operator, values):
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    return (key in labels) == (operator == "Exists")


def matches(selector, labels):
    """Does a LabelSelector object (matchLabels, matchExpressions) select these labels?"""
    labels = labels or {}
    wanted = [(k, "In", [v]) for k, v in ((selector or {}).get("matchLabels") or {}).items()]
    wanted += [(e["key"], e["operator"], e.get("values") or [])
               for e in (selector or {}).get("matchExpressions") or []]
    return all(_holds(labels, *w) for w in wanted)


def _label_terms(text):
    for term in filter(None, (t.strip() for t in re.split(r",(?![^(]*\))", text))):
        found = re.fullmatch(r"(\S+)\s+(in|notin)\s*\(([^)]*)\)", term)
        if found:
            yield found[1], {"in": "In", "notin": "NotIn"}[found[2]], [v.strip() for v in found[3].split(",")]
            continue
        found = re.fullmatch(r"([^=!\s]+)\s*(==|=|!=)\s*(\S*)", term)
        if found:
            yield found[1], "NotIn" if found[2] == "!=" else "In", [found[3]]
        elif re.fullmatch(r"!?\s*[\w./-]+", term):
            yield term.lstrip("! "), "DoesNotExist" if term[0] == "!" else "Exists", []
        else:
            raise bad_request(f"unable to parse requirement: found '{term}', expected: in, notin, =, ==, !=")


def _field_terms(resource, text):
    allowed = {"metadata.name", "metadata.namespace"} | _FIELDS.get(resource.plural, set())
    for term in filter(None, text.split(",")):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if not found or found[1] not in allowed:
            raise bad_request(f"field label not supported: {term.split('=')[0].rstrip('!')}")
        yield found[1].split("."), found[2] != "!=", found[3]


def _dig(obj, path):
    for key in path:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return "" if obj is None else str(obj).lower() if isinstance(obj, bool) else str(obj)


def of_request(resource, query):
    """Predicate over objects from labelSelector and fieldSelector of a request."""
    labels = list(_label_terms(query.get("labelSelector", "")))
    fields = list(_field_terms(resource, query.get("fieldSelector", "")))

    def selects(obj):
        own = obj["metadata"].get("labels") or {}
        return (all(_holds(own, *t) for t in labels)
                and all((_dig(obj, path) == value) == wanted for path, wanted, value in fields))

    return selects
