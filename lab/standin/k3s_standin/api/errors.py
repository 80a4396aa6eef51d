"""Refusals of the API, as Status objects."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal; `body` is the Status object that the client gets."""

    def __init__(self, code, reason, message, details=None, retry_after=None):
        super().__init__(message)
        self.code, self.reason, self.message, self.retry_after = code, reason, message, retry_after
        self.body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
        if reason:
            self.body["reason"] = reason
        if details is not None:
            self.body["details"] = details
        self.body["code"] = code


def _target(resource, name=None, kind=None) -> dict:
    details = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = kind or resource.plural
    return details


def unauthorized():
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource, verb, user, namespace, name=None):
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    named = f' "{name}"' if name else ""
    return ApiError(403, "Forbidden",
                    f'{resource.qualified}{named} is forbidden: User "{user}" cannot {verb} resource '
                    f'"{resource.plural}" in API group "{resource.group}"{where}', _target(resource, name))


def rejected(resource, name, why):
    return ApiError(403, "Forbidden", f'{resource.qualified} "{name}" is forbidden: {why}', _target(resource, name))


def not_found(resource, name):
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', _target(resource, name))


def no_such_resource():
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource, name):
    return ApiError(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _target(resource, name))


def conflict(resource, name, why, kind=None):
    label = resource.qualified if kind is None else resource.qualified_kind
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {label} "{name}": {why}',
                    _target(resource, name, kind))


def modified(resource, name):
    return conflict(resource, name, "the object has been modified; please apply your changes to the latest version "
                                    "and try again")


def bad_request(message):
    return ApiError(400, "BadRequest", message)


def invalid(resource, name, causes):
    """causes: list of (reason, field, message), e.g. ("FieldValueInvalid", "spec.replicas", "Invalid value: …")."""
    texts = [f"{field}: {message}" for _, field, message in causes]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _target(resource, name, resource.kind)
    details["causes"] = [{"reason": r, "message": m, "field": f} for r, f, m in causes]
    return ApiError(422, "Invalid", f'{resource.qualified_kind} "{name}" is invalid: {text}', details)


def method_not_allowed():
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def unsupported_media_type():
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def expired(asked, oldest):
    return ApiError(410, "Expired", f"too old resource version: {asked} ({oldest})")
