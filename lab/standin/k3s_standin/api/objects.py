"""Reading and writing objects: the rules that every write passes, whoever makes it."""

from __future__ import annotations

import base64
import datetime
import json
import random
import uuid
from dataclasses import dataclass, field

from . import apply, defaults, errors, fields, patch, selectors, validation
from .resources import Registry
from .store import copy

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SERVER_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
                  "managedFields")
_WITH_GENERATION = {"Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "CronJob", "Pod", "Ingress",
                    "PodDisruptionBudget", "NetworkPolicy", "CustomResourceDefinition"}
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
ME = "k3s"  # the manager name of K3s's own controllers


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(stamp: str) -> float:
    then = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()


@dataclass
class Write:
    """How a write was asked for."""
    manager: str = ME
    dry_run: bool = False
    field_validation: str = ""        # "", Ignore, Warn, Strict
    force: bool = False
    warnings: list = field(default_factory=list)
    operation: str = "Update"         # Update or Apply
    applied: frozenset = frozenset()  # paths of an Apply


class Objects:
    """All objects of the cluster."""

    def __init__(self, store):
        self.store = store
        self.toleration_seconds = dict(defaults.TOLERATION_SECONDS)
        self.registry = Registry()
        for crd in store.list(self.registry["customresourcedefinitions"]):
            self.registry.define(crd)
        for name in SYSTEM_NAMESPACES:
            self.ensure("namespaces", None, {"metadata": {"name": name}})

    # -- reading -----------------------------------------------------------------------------------
    def get(self, resource, namespace, name):
        found = self.store.get(resource, namespace if resource.namespaced else "", name)
        if found is None:
            raise errors.not_found(resource, name)
        return found

    def find(self, plural, namespace, name):
        """A built-in object or None."""
        return self.store.get(self.registry[plural], namespace, name)

    def all(self, plural, namespace=None):
        return self.store.list(self.registry[plural], namespace)

    def list(self, resource, namespace, query):
        """The List document of a request."""
        with self.store.lock:
            version = query.get("resourceVersion", "")
            if version.isdigit() and int(version) > self.store.revision:
                raise errors.ApiError(
                    504, "Timeout", f"Timeout: Too large resource version: {version}, current: {self.store.revision}",
                    {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                     "retryAfterSeconds": 1}, retry_after=1)
            selects = selectors.of_request(resource, query)
            items = [o for o in self.store.list(resource, namespace) if selects(o)]
            meta = {"resourceVersion": str(self.store.revision)}
        items, meta = _page(items, meta, query)
        if not resource.custom:
            items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in items]
        return {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta, "items": items}

    # -- creating ----------------------------------------------------------------------------------
    def create(self, resource, namespace, obj, write=None):
        write = write or Write()
        if not isinstance(obj, dict):
            raise errors.bad_request(f"the object provided is unrecognized (must be of type {resource.kind})")
        obj = copy(obj)
        meta = obj.get("metadata")
        if meta is None:
            meta = obj["metadata"] = {}
        self._check_kind(resource, obj)
        with self.store.lock:
            if resource.namespaced:
                if (meta.get("namespace") or namespace) != namespace:
                    raise errors.bad_request("the namespace of the provided object does not match the namespace sent "
                                             "on the request")
                meta["namespace"] = namespace
                owner = self.find("namespaces", None, namespace)
                if owner is None:
                    raise errors.not_found(self.registry["namespaces"], namespace)
            else:
                meta.pop("namespace", None)
            if not meta.get("name") and meta.get("generateName"):
                meta["name"] = meta["generateName"] + "".join(random.choices(_SUFFIX_LETTERS, k=5))
            if not meta.get("name"):
                raise errors.invalid(resource, "", [("FieldValueRequired", "metadata.name",
                                                     "Required value: name or generateName is required")])
            if resource.namespaced and owner["metadata"].get("deletionTimestamp"):
                raise errors.rejected(resource, meta["name"], "unable to create new content in namespace "
                                      f"{namespace} because it is being terminated")
            if self.store.get(resource, namespace, meta["name"]):
                raise errors.already_exists(resource, meta["name"])
            for name in ("managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
                meta.pop(name, None)
            meta.update(uid=str(uuid.uuid4()), creationTimestamp=now())
            meta.pop("resourceVersion", None)
            if resource.has_status and resource.kind != "Node":
                obj.pop("status", None)
            return self._finish(resource, obj, None, None, write)

    def ensure(self, plural, namespace, obj, write=None):
        """Creates a built-in object unless one of that name exists; returns the one that is there."""
        resource = self.registry[plural]
        found = self.store.get(resource, namespace, obj["metadata"]["name"])
        return found or self.create(resource, namespace, obj, write)

    # -- changing ----------------------------------------------------------------------------------
    def replace(self, resource, old, new, subresource=None, write=None):
        """PUT, and the end of every patch: `new` is what the object should be."""
        write = write or Write()
        new = copy(new)
        self._check_kind(resource, new)
        meta, was = new.setdefault("metadata", {}), old["metadata"]
        for name in ("uid", "resourceVersion"):
            if meta.get(name) and meta[name] != was.get(name):
                raise errors.modified(resource, was["name"])
        if (meta.get("name") or was["name"]) != was["name"] or \
                (meta.get("namespace") or was.get("namespace")) != was.get("namespace"):
            raise errors.bad_request("the name of the object (" + str(meta.get("name")) + ") does not match the name "
                                     "on the URL (" + was["name"] + ")")
        for name in ("name", "namespace") + _SERVER_FIELDS + ("resourceVersion",):
            meta.pop(name, None)
            if name in was:
                meta[name] = copy(was[name])
        if subresource == "status":
            status, changed = new.get("status") or {}, meta
            new = copy(old)
            new["status"] = status
            new["metadata"]["annotations"] = changed.get("annotations")
            new["metadata"]["labels"] = changed.get("labels")
            new["metadata"] = {k: v for k, v in new["metadata"].items() if v is not None}
        elif resource.has_status:
            new.pop("status", None)
            if "status" in old:
                new["status"] = copy(old["status"])
        return self._finish(resource, new, old, subresource, write)

    def edit(self, resource, old, change, subresource=None, manager=ME):
        """Read-modify-write of a controller: `change` edits a copy of the newest version. None if it is gone."""
        if isinstance(resource, str):
            resource = self.registry[resource]
        with self.store.lock:
            meta = old["metadata"]
            current = self.store.get(resource, meta.get("namespace"), meta["name"])
            if current is None or current["metadata"]["uid"] != meta["uid"]:
                return None
            new = copy(current)
            change(new)
            new["metadata"].pop("resourceVersion", None)
            return self.replace(resource, current, new, subresource, Write(manager=manager))

    def patch(self, resource, old, content_type, body, subresource=None, write=None):
        """Merge, JSON and strategic merge patches; `old` is what the client may patch (the object or its Scale)."""
        if content_type == "application/merge-patch+json":
            new = patch.merge_patch(old, body)
        elif content_type == "application/json-patch+json":
            new = patch.json_patch(old, body)
        elif content_type == "application/strategic-merge-patch+json" and not resource.custom:
            new = patch.strategic_merge_patch(old, body, resource.type)
        else:
            raise errors.unsupported_media_type()
        asked = (body.get("metadata") or {}) if isinstance(body, dict) else {}
        if not asked.get("resourceVersion") and isinstance(new.get("metadata"), dict):
            new = {**new, "metadata": {k: v for k, v in new["metadata"].items() if k != "resourceVersion"}}
        return new

    def apply(self, resource, namespace, name, body, subresource, write):
        """Server-side apply. Returns (object, HTTP status)."""
        if not write.manager:
            raise _no_manager()
        if not isinstance(body, dict):
            raise errors.bad_request("the applied configuration must be an object")
        body = copy(body)
        meta = body.get("metadata")
        if meta is None:
            meta = body["metadata"] = {}
        if meta.get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        self._check_kind(resource, body, required=True)
        if (meta.get("name") or name) != name:
            raise errors.bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL "
                                     f"({name})")
        decoder = validation.Decoder(resource)
        decoded = decoder.decode(body)
        if decoder.unknown and not resource.custom:
            raise errors.ApiError(
                500, None, f"failed to create typed patch object ({meta.get('namespace', '')}/{name}; "
                f"{resource.api_version}, Kind={resource.kind}): .{decoder.unknown[0]}: field not declared in schema")
        body = decoded if not resource.custom else body
        body["metadata"]["name"] = name
        if subresource == "status":
            body = {k: v for k, v in body.items() if k in ("apiVersion", "kind", "metadata", "status")}
        elif resource.has_status:
            body.pop("status", None)
        if resource.kind == "Secret":
            string_data = body.pop("stringData", None) or {}
            for key, value in string_data.items():
                body.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
        with self.store.lock:
            return self._apply_locked(resource, namespace, name, body, subresource, write)

    def _apply_locked(self, resource, namespace, name, body, subresource, write):
        old = self.store.get(resource, namespace, name)
        values = fields.leaves(body, resource.type)
        write.operation, write.applied = "Apply", frozenset(values)
        if old is None:
            if subresource:
                raise errors.not_found(resource, name)
            if body["metadata"].get("uid"):
                raise errors.modified(resource, name)
            return self.create(resource, namespace, body, write), 201
        me = (write.manager, "Apply", subresource)
        managers = fields.Managers(old["metadata"].get("managedFields"))
        conflicts = apply.find_conflicts(managers, me, fields.leaves(old, resource.type), values)
        asked_version = body["metadata"].get("resourceVersion")
        if asked_version and asked_version != old["metadata"]["resourceVersion"]:
            raise errors.modified(resource, name)
        if conflicts and not write.force:
            raise apply.conflict_error(conflicts)
        new = apply.merge(copy(old), body, resource.type)
        apply.drop_relinquished(new, managers, me, write.applied)
        new["metadata"].pop("resourceVersion", None)
        return self.replace(resource, old, new, subresource, write), 200

    # -- the common end of all writes --------------------------------------------------------------
    def _finish(self, resource, obj, old, subresource, write):
        obj = {"kind": resource.kind, "apiVersion": resource.api_version,
               **{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")}}
        decoder = validation.Decoder(resource)
        obj = decoder.decode(obj)
        self._report_unknown(resource, decoder.unknown, write)
        defaults.apply_defaults(resource, obj)
        if resource.kind == "Pod" and old is None:
            self._admit_pod(resource, obj)
        if subresource != "status":
            validation.check(resource, obj, old, decoder.problems)
        elif decoder.problems:
            raise errors.invalid(resource, obj["metadata"]["name"], decoder.problems)
        meta = obj["metadata"]
        if resource.kind in _WITH_GENERATION or resource.custom:
            before = old["metadata"].get("generation", 1) if old else 0
            meta["generation"] = before + int(old is None or _desired(obj, subresource) != _desired(old, subresource))
        self._record_managers(resource, obj, old, subresource, write)
        if old and obj == old:
            return old
        if write.dry_run:
            return obj
        if resource.kind == "CustomResourceDefinition" and subresource is None:
            _accept(obj)
        if old and meta.get("deletionTimestamp") and not meta.get("finalizers") and resource.kind != "Namespace" \
                and not (resource.kind == "Pod" and meta.get("deletionGracePeriodSeconds")):
            return self._remove(resource, obj)
        stored = self.store.write(resource, old, obj)
        if resource.kind == "CustomResourceDefinition":
            self.registry.define(stored)
        return stored

    def _admit_pod(self, resource, pod):
        runtime_class = pod["spec"].get("runtimeClassName")
        if runtime_class and not self.find("runtimeclasses", None, runtime_class):
            raise errors.rejected(resource, pod["metadata"]["name"],
                                  f'pod rejected: RuntimeClass "{runtime_class}" not found')
        account = self.find("serviceaccounts", pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName") or "default")
        volume = "kube-api-access-" + "".join(random.choices(_SUFFIX_LETTERS, k=5))
        defaults.admit_pod(pod, account, self.toleration_seconds, volume)

    @staticmethod
    def _check_kind(resource, obj, required=False):
        kind, version = obj.get("kind"), obj.get("apiVersion")
        if required and not (kind and version):
            raise errors.bad_request("the object provided is unrecognized (must be of type "
                                     f"{resource.kind}): couldn't get version/kind; apiVersion and kind are required")
        if (kind or resource.kind) != resource.kind or (version or resource.api_version) != resource.api_version:
            raise errors.bad_request(f"{kind} in version \"{version}\" cannot be handled as a {resource.kind}: "
                                     f"the API version in the data ({version}) does not match the expected API version "
                                     f"({resource.api_version})")

    @staticmethod
    def _report_unknown(resource, unknown, write):
        texts = [f'unknown field "{path}"' for path in unknown]
        if texts and write.field_validation == "Strict":
            raise errors.bad_request(f'{resource.kind} in version "{resource.version}" cannot be handled as a '
                                     f"{resource.kind}: strict decoding error: " + ", ".join(texts))
        if write.field_validation != "Ignore":
            write.warnings.extend(texts)

    @staticmethod
    def _record_managers(resource, obj, old, subresource, write):
        meta = obj["metadata"]
        values = fields.leaves(obj, resource.type)
        before = fields.leaves(old, resource.type) if old else {}
        changed = {p for p in values if p not in before or before[p] != values[p]}
        gone = set(before) - set(values)
        me = (write.manager, write.operation, "status" if subresource == "status" else None)
        managers = fields.Managers((old or {}).get("metadata", {}).get("managedFields"))
        mine = managers.paths(me)
        managers.release(gone)
        if write.operation == "Apply":
            managers.release(changed & write.applied, except_for=me)
            owned = write.applied
        else:
            managers.release(changed, except_for=me)
            owned = (mine | changed) - gone
        if owned or mine:
            managers.set(me, owned, now(), resource.api_version)
            if changed or gone:
                managers.touch(me, now())
        meta["managedFields"] = managers.entries()
        if not meta["managedFields"]:
            meta.pop("managedFields")

    # -- deleting ----------------------------------------------------------------------------------
    def delete(self, resource, obj, options=None, dry_run=False):
        """Deletes, or marks for deletion. Returns (object, gone?)."""
        options = options or {}
        with self.store.lock:
            meta = obj["metadata"]
            self._check_preconditions(resource, obj, options.get("preconditions") or {})
            if dry_run or "All" in (options.get("dryRun") or []):
                return obj, True
            policy = options.get("propagationPolicy")
            if policy == "Orphan" or options.get("orphanDependents"):
                self._orphan(meta["uid"])
            new = copy(obj)
            if policy == "Foreground" and "foregroundDeletion" not in new["metadata"].get("finalizers", []):
                new["metadata"].setdefault("finalizers", []).append("foregroundDeletion")
            grace = _grace(resource, obj, options)
            if not new["metadata"].get("finalizers") and grace == 0 and resource.kind != "Namespace":
                return self._remove(resource, obj), True
            if meta.get("deletionTimestamp") and (resource.kind != "Pod" or grace >= meta.get(
                    "deletionGracePeriodSeconds", 0)) and new == obj:
                return obj, False
            if not meta.get("deletionTimestamp"):
                later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=grace)
                new["metadata"]["deletionTimestamp"] = later.strftime("%Y-%m-%dT%H:%M:%SZ")
                if resource.kind in _WITH_GENERATION or resource.custom:
                    new["metadata"]["generation"] = meta.get("generation", 1) + 1
            new["metadata"]["deletionGracePeriodSeconds"] = grace
            if resource.kind == "Namespace":
                new["status"] = {**(new.get("status") or {}), "phase": "Terminating"}
            return self.store.write(resource, obj, new), False

    def _remove(self, resource, obj):
        stored = self.store.write(resource, obj, None)
        if resource.kind == "CustomResourceDefinition":
            for defined in self.registry.of_crd(obj["metadata"]["name"]):
                self.store.drop_all(defined)
            self.registry.undefine(obj["metadata"]["name"])
        return stored

    @staticmethod
    def _check_preconditions(resource, obj, wanted):
        meta = obj["metadata"]
        if wanted.get("uid") and wanted["uid"] != meta["uid"]:
            raise errors.conflict(
                resource, meta["name"], f"the UID in the precondition ({wanted['uid']}) does not match the UID in "
                f"record ({meta['uid']}). The object might have been deleted and then recreated", resource.kind)
        if wanted.get("resourceVersion") and wanted["resourceVersion"] != meta["resourceVersion"]:
            raise errors.conflict(
                resource, meta["name"], f"the ResourceVersion in the precondition ({wanted['resourceVersion']}) does "
                f"not match the ResourceVersion in record ({meta['resourceVersion']}). The object might have been "
                "modified", resource.kind)

    def _orphan(self, uid):
        for resource in self.registry:
            for obj in self.store.list(resource):
                if any(o["uid"] == uid for o in obj["metadata"].get("ownerReferences", [])):
                    self.edit(resource, obj, lambda o: o["metadata"].update(ownerReferences=[
                        r for r in o["metadata"]["ownerReferences"] if r["uid"] != uid] or None))


def _page(items, meta, query):
    limit = int(query.get("limit") or 0)
    if query.get("continue"):
        try:
            start = tuple(json.loads(base64.urlsafe_b64decode(query["continue"])))
        except ValueError:
            raise errors.bad_request("continue key is not valid: " + query["continue"]) from None
        items = [o for o in items if (o["metadata"].get("namespace", ""), o["metadata"]["name"]) > start]
    if limit and len(items) > limit:
        last = items[limit - 1]["metadata"]
        token = json.dumps([last.get("namespace", ""), last["name"]]).encode()
        meta = {**meta, "continue": base64.urlsafe_b64encode(token).decode(),
                "remainingItemCount": len(items) - limit}
        items = items[:limit]
    return items, meta


def _desired(obj, subresource):
    """The part of an object whose change counts as a new generation. Of Deployments annotations do, too, save beside the status."""
    kept = {k: v for k, v in obj.items() if k not in ("metadata", "status", "kind", "apiVersion")}
    if obj["kind"] == "Pod":
        kept["spec"] = {k: v for k, v in kept["spec"].items() if k != "nodeName"}
    if obj["kind"] == "Deployment" and subresource != "status":
        kept["annotations"] = obj["metadata"].get("annotations") or {}
    return kept


def _grace(resource, obj, options):
    """Seconds that a deletion must wait; only a pod on a node that still runs needs any."""
    if resource.kind != "Pod" or not (obj.get("spec") or {}).get("nodeName"):
        return 0
    if (obj.get("status") or {}).get("phase") in ("Failed", "Succeeded") and not obj["metadata"].get(
            "deletionTimestamp"):
        return 0
    if options.get("gracePeriodSeconds") is not None:
        return int(options["gracePeriodSeconds"])
    if obj["metadata"].get("deletionTimestamp"):
        return obj["metadata"].get("deletionGracePeriodSeconds", 0)
    return obj["spec"].get("terminationGracePeriodSeconds", 30)


def _accept(crd):
    names = crd["spec"]["names"]
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now(), "reason": reason, "message": text}
                  for kind, reason, text in (("NamesAccepted", "NoConflicts", "no conflicts found"),
                                             ("Established", "InitialNamesAccepted",
                                              "the initial names have been accepted"))]
    crd["status"] = {"conditions": conditions, "acceptedNames": copy(names),
                     "storedVersions": [v["name"] for v in crd["spec"]["versions"] if v.get("storage")]}


def _no_manager():
    cause = {"reason": "FieldValueRequired", "message": "Required value: is required for apply patch",
             "field": "fieldManager"}
    return errors.ApiError(422, "Invalid", 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is '
                           "required for apply patch",
                           {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]})
