"""A few verbs of kubectl: enough for an installer, a test and a person who looks."""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile

import yaml

from . import build_info
from .api.objects import seconds_since
from standin_common.apiclient import Client, Refused, Unreachable, client_context

KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
_REFUSED = "The connection to the server localhost:8080 was refused - did you specify the right host or port?"
_USAGE = """kubectl of the stand-in: get, delete, describe, logs, patch, label, annotate, taint, cordon, uncordon, apply,
create, version, api-resources, wait"""


class Complaint(Exception):
    """Printed to stderr, exit code 1."""


def client_from(path):
    """A client for the current context of a kubeconfig file."""
    with open(path) as file:
        document = yaml.safe_load(file)
    context = next(c["context"] for c in document["contexts"] if c["name"] == document["current-context"])
    cluster = next(c["cluster"] for c in document["clusters"] if c["name"] == context["cluster"])
    user = next(u["user"] for u in document["users"] if u["name"] == context["user"])
    with tempfile.TemporaryDirectory() as scratch:
        def file_of(source, name):
            if source.get(name):
                return source[name]
            if not source.get(name + "-data"):
                return None
            target = os.path.join(scratch, name)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(base64.b64decode(source[name + "-data"]))
            return target

        tls = client_context(file_of(cluster, "certificate-authority"), file_of(user, "client-certificate"),
                             file_of(user, "client-key"))
    headers = {"User-Agent": "kubectl/v1.36"}
    if user.get("token"):
        headers["Authorization"] = f"Bearer {user['token']}"
    return Client(cluster["server"], tls, headers)


class Options:
    """Words of the command line, sorted into options and the rest."""

    _WITH_VALUE = {"-n": "namespace", "--namespace": "namespace", "-o": "output", "--output": "output", "-l": "selector",
                   "--selector": "selector", "--field-selector": "fields", "--kubeconfig": "kubeconfig", "-p": "patch",
                   "--patch": "patch", "--type": "type", "--subresource": "subresource", "-f": "file",
                   "--filename": "file", "--timeout": "timeout", "--for": "condition", "-c": "container",
                   "--tail": "tail", "--grace-period": "grace", "--cascade": "cascade", "--field-manager": "manager",
                   "--request-timeout": "request_timeout", "--sort-by": "sort", "--chunk-size": "chunk",
                   "--raw": "raw", "--context": "context", "--validate": "validate"}
    _FLAGS = {"-A": "all_namespaces", "--all-namespaces": "all_namespaces", "--no-headers": "no_headers",
              "--ignore-not-found": "ignore_not_found", "--force": "force", "--wait": "wait", "--overwrite": "overwrite",
              "--server-side": "server_side", "--force-conflicts": "force_conflicts", "--all": "all", "--now": "now",
              "--previous": "previous", "--show-labels": "show_labels", "--client": "client", "-w": "watch",
              "--watch": "watch"}

    def __init__(self, words):
        self.values, self.words = {}, []
        words = list(words)
        while words:
            word = words.pop(0)
            name, has_value, value = word.partition("=")
            if name in self._WITH_VALUE and word.startswith("-"):
                self.values[self._WITH_VALUE[name]] = value if has_value else (words.pop(0) if words else "")
            elif word[:2] in ("-n", "-o", "-l", "-f", "-p") and not word.startswith("--") and len(word) > 2:
                self.values[self._WITH_VALUE[word[:2]]] = word[2:].lstrip("=")
            elif name in self._FLAGS:
                self.values[self._FLAGS[name]] = value != "false"
            elif word.startswith("-") and word != "-":
                raise Complaint(f"error: unknown flag: {name}\nSee 'kubectl --help' for usage.")
            else:
                self.words.append(word)

    def __getattr__(self, name):
        return self.values.get(name)


def main(words):
    try:
        options = Options(words)
        if not options.words:
            print(_USAGE)
            return 0
        verb = options.words.pop(0)
        if verb == "version":
            return _version(options)
        run = _VERBS.get(verb)
        if run is None:
            raise Complaint(f'error: unknown command "{verb}" for "kubectl"\n{_USAGE}')
        return run(Cluster(options), options) or 0
    except Complaint as complaint:
        print(complaint, file=sys.stderr)
    except Refused as refusal:
        reason = refusal.reason or "InternalError"
        print(f"Error from server ({reason}): {refusal}", file=sys.stderr)
    except Unreachable as problem:
        print(f"Unable to connect to the server: {problem}", file=sys.stderr)
    return 1


class Cluster:
    """The API, with names of kinds as people write them."""

    def __init__(self, options):
        path = options.kubeconfig or os.environ.get("KUBECONFIG") or KUBECONFIG
        if not os.path.exists(path):
            raise Complaint(_REFUSED)
        try:
            self.client = client_from(path)
        except PermissionError:
            raise Complaint(f"error: error loading config file \"{path}\": open {path}: permission denied") from None
        self.namespace = None if options.all_namespaces else options.namespace or "default"

    def resource(self, word):
        """The discovery entry for pods, po, deployments.apps, Node …, with its base path."""
        wanted, _, group = word.lower().partition(".")
        for base, group_name in self._groups():
            if group and not group_name.startswith(group):
                continue
            for entry in self.client.get(base)["resources"]:
                names = {entry["name"], entry["singularName"], entry["kind"].lower(), *entry.get("shortNames", [])}
                if wanted in names and "/" not in entry["name"]:
                    return {**entry, "base": base, "group": group_name}
        raise Complaint(f'error: the server doesn\'t have a resource type "{word}"')

    def _groups(self):
        yield "/api/v1", ""
        for group in self.client.get("/apis")["groups"]:
            yield f"/apis/{group['preferredVersion']['groupVersion']}", group["name"]

    def path(self, resource, name=None):
        path = resource["base"]
        if resource["namespaced"] and self.namespace:
            path += f"/namespaces/{self.namespace}"
        return path + f"/{resource['name']}" + (f"/{name}" if name else "")

    def by_kind(self, document):
        version = document["apiVersion"]
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for entry in self.client.get(base)["resources"]:
            if entry["kind"] == document["kind"] and "/" not in entry["name"]:
                return {**entry, "base": base, "group": version.rpartition("/")[0]}
        raise Complaint(f'error: no matches for kind "{document["kind"]}" in version "{version}"')


def _targets(words):
    """[(kind word, [names])] of `pods a b`, `pod/a deploy/b`, `nodes,pods`"""
    if words and "/" in words[0]:
        return [(w.split("/", 1)[0], [w.split("/", 1)[1]]) for w in words]
    return [(kind, words[1:]) for kind in words[0].split(",")] if words else []


def _selected(cluster, resource, names, options):
    if names:
        found = []
        for name in names:
            try:
                found.append(cluster.client.get(cluster.path(resource, name)))
            except Refused as refusal:
                if refusal.status != 404 or not options.ignore_not_found:
                    raise
        return found
    query = {}
    if options.selector:
        query["labelSelector"] = options.selector
    if options.fields:
        query["fieldSelector"] = options.fields
    document = cluster.client.get(cluster.path(resource), **query)
    version = document["apiVersion"]
    return [{**i, "kind": i.get("kind", resource["kind"]), "apiVersion": i.get("apiVersion", version)}
            for i in document["items"]]


# -- verbs -----------------------------------------------------------------------------------------
def _version(options):
    versions = {"clientVersion": {k: v for k, v in build_info.api_version_document().items()
                                  if not k.startswith(("emulation", "minComp"))}, "kustomizeVersion": "v5.8.1"}
    problem = None
    if not options.client:
        try:
            versions["serverVersion"] = Cluster(options).client.get("/version")
        except (Complaint, Unreachable, Refused) as complaint:
            problem = complaint
    if options.output == "json":
        print(json.dumps(versions, indent=2))
    else:
        print(f"Client Version: {versions['clientVersion']['gitVersion']}\nKustomize Version: v5.8.1")
        if "serverVersion" in versions:
            print(f"Server Version: {versions['serverVersion']['gitVersion']}")
    if problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _get(cluster, options):
    if options.raw is not None:
        status, body, _ = cluster.client.raw("GET", options.raw)
        text = body.decode(errors="replace")
        if status >= 400:
            raise Refused(status, text)
        sys.stdout.write(text)
        sys.stdout.flush()
        return 0
    targets = _targets(options.words)
    if not targets:
        raise Complaint("You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list "
                        "of supported resources.")
    everything, single = [], False
    for word, names in targets:
        if word == "all":
            for kind in ("pods", "services", "daemonsets", "deployments", "replicasets", "jobs"):
                everything += _selected(cluster, cluster.resource(kind), [], options)
            continue
        everything += _selected(cluster, cluster.resource(word), names, options)
        single = len(targets) == 1 and len(names) == 1
    if single and not everything:
        return None  # not found, and not minded
    return _print(everything, single, options)


def _print(objects, single, options):
    output = options.output or ""
    document = objects[0] if single and objects else {"apiVersion": "v1", "items": objects, "kind": "List",
                                                      "metadata": {"resourceVersion": ""}}
    if output == "json":
        print(json.dumps(document, indent=4))
    elif output == "yaml":
        print(yaml.safe_dump(document, sort_keys=True), end="")
    elif output == "name":
        for obj in objects:
            group = obj["apiVersion"].rpartition("/")[0]
            print(f"{obj['kind'].lower()}{'.' + group if group else ''}/{obj['metadata']['name']}")
    elif output.startswith("jsonpath="):
        print(_jsonpath(document, output[len("jsonpath="):]), end="")
    elif not objects:
        print("No resources found" + (f" in {options.namespace or 'default'} namespace."
                                      if not options.all_namespaces else ""), file=sys.stderr)
    else:
        _table(objects, options)
    return 0


def _jsonpath(document, template):
    """Only plain paths: {.items[0].status.phase}, {.items[*].metadata.name}"""
    found = [document]
    for step in template.strip("{}'").lstrip(".").replace("[", ".[").split("."):
        following = []
        for value in found:
            if step == "[*]":
                following += value
            elif step.startswith("["):
                following.append(value[int(step[1:-1])])
            elif isinstance(value, dict) and step in value:
                following.append(value[step])
        found = following
    return " ".join(v if isinstance(v, str) else json.dumps(v) for v in found)


def _age(stamp):
    seconds = int(seconds_since(stamp)) if stamp else 0
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 600:
        return f"{seconds // 60}m{seconds % 60}s"
    if seconds < 7200:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 172800 else f"{seconds // 86400}d"


def _node_row(node, wide):
    status, meta = node.get("status") or {}, node["metadata"]
    ready = next((c["status"] for c in status.get("conditions") or [] if c["type"] == "Ready"), "Unknown")
    words = ["Ready" if ready == "True" else "NotReady"]
    if node["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    roles = [k.split("/")[1] for k in meta.get("labels", {}) if k.startswith("node-role.kubernetes.io/")]
    info = status.get("nodeInfo") or {}
    row = {"NAME": meta["name"], "STATUS": ",".join(words), "ROLES": ",".join(roles) or "<none>",
           "AGE": _age(meta["creationTimestamp"]), "VERSION": info.get("kubeletVersion", "")}
    if wide:
        address = next((a["address"] for a in status.get("addresses") or [] if a["type"] == "InternalIP"), "<none>")
        row.update({"INTERNAL-IP": address, "EXTERNAL-IP": "<none>", "OS-IMAGE": info.get("osImage", ""),
                    "KERNEL-VERSION": info.get("kernelVersion", ""),
                    "CONTAINER-RUNTIME": info.get("containerRuntimeVersion", "")})
    return row


def _pod_row(pod, wide):
    status, meta = pod.get("status") or {}, pod["metadata"]
    containers = status.get("containerStatuses") or []
    text = status.get("reason") or status.get("phase", "Unknown")
    for container in containers:
        state = container.get("state") or {}
        text = (state.get("waiting") or {}).get("reason") or (state.get("terminated") or {}).get("reason") or text
    if meta.get("deletionTimestamp"):
        text = "Terminating"
    row = {"NAME": meta["name"],
           "READY": f"{sum(c['ready'] for c in containers)}/{len(pod['spec']['containers'])}", "STATUS": text,
           "RESTARTS": str(sum(c["restartCount"] for c in containers)), "AGE": _age(meta["creationTimestamp"])}
    if wide:
        row.update({"IP": status.get("podIP", "<none>"), "NODE": pod["spec"].get("nodeName", "<none>"),
                    "NOMINATED NODE": "<none>", "READINESS GATES": "<none>"})
    return row


def _workload_row(obj, _wide):
    status, spec = obj.get("status") or {}, obj["spec"]
    return {"NAME": obj["metadata"]["name"], "READY": f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
            "UP-TO-DATE": str(status.get("updatedReplicas", 0)), "AVAILABLE": str(status.get("availableReplicas", 0)),
            "AGE": _age(obj["metadata"]["creationTimestamp"])}


def _event_row(event, _wide):
    involved = event["involvedObject"]
    return {"LAST SEEN": _age(event.get("lastTimestamp")), "TYPE": event.get("type", ""), "REASON": event.get("reason", ""),
            "OBJECT": f"{involved.get('kind', '').lower()}/{involved.get('name', '')}",
            "MESSAGE": event.get("message", "")}


def _runtime_class_row(obj, _wide):
    return {"NAME": obj["metadata"]["name"], "HANDLER": obj["handler"], "AGE": _age(obj["metadata"]["creationTimestamp"])}


def _plain_row(obj, _wide):
    return {"NAME": obj["metadata"]["name"], "AGE": _age(obj["metadata"]["creationTimestamp"])}


_ROWS = {"Node": _node_row, "Pod": _pod_row, "Deployment": _workload_row, "Event": _event_row,
         "RuntimeClass": _runtime_class_row}


def _table(objects, options):
    by_kind = {}
    for obj in objects:
        by_kind.setdefault(obj["kind"], []).append(obj)
    for kind, members in by_kind.items():
        rows = [_ROWS.get(kind, _plain_row)(o, options.output == "wide") for o in members]
        if options.all_namespaces and members[0]["metadata"].get("namespace"):
            rows = [{"NAMESPACE": o["metadata"]["namespace"], **r} for o, r in zip(members, rows)]
        lines = [] if options.no_headers else [list(rows[0])]
        lines += [list(r.values()) for r in rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        for line in lines:
            print("   ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def _delete(cluster, options):
    for word, names in _targets(options.words):
        resource = cluster.resource(word)
        objects = _selected(cluster, resource, names, options) if names or options.selector or options.all else []
        for obj in objects:
            body = {"kind": "DeleteOptions", "apiVersion": "v1",
                    "propagationPolicy": {"orphan": "Orphan", "foreground": "Foreground"}.get(options.cascade,
                                                                                              "Background")}
            if options.grace is not None or options.force or options.now:
                body["gracePeriodSeconds"] = int(options.grace or (0 if options.force else 1))
            if obj["metadata"].get("namespace"):
                cluster.namespace = obj["metadata"]["namespace"]
            cluster.client.request("DELETE", cluster.path(resource, obj["metadata"]["name"]), body)
            print(f'{resource["kind"].lower()} "{obj["metadata"]["name"]}" deleted')
    return 0


def _patch(cluster, options):
    kinds = {"strategic": "application/strategic-merge-patch+json", "merge": "application/merge-patch+json",
             "json": "application/json-patch+json"}
    for word, names in _targets(options.words):
        resource = cluster.resource(word)
        for name in names:
            path = cluster.path(resource, name) + (f"/{options.subresource}" if options.subresource else "")
            cluster.client.request("PATCH", path, yaml.safe_load(options.patch),
                                   kinds[options.type or "strategic"])
            print(f"{resource['kind'].lower()}/{name} patched")
    return 0


def _pairs(words):
    """Splits `a=1 b-` from names; returns (names, {key: value or None})"""
    names = [w for w in words if "=" not in w and not w.endswith("-")]
    changes = {w.split("=", 1)[0]: w.split("=", 1)[1] for w in words if "=" in w}
    changes.update({w[:-1]: None for w in words if w.endswith("-") and "=" not in w})
    return names, changes


def _metadata(field, done):
    def run(cluster, options):
        names, changes = _pairs(options.words)
        for word, targets in _targets(names):
            resource = cluster.resource(word)
            for name in targets:
                cluster.client.request("PATCH", cluster.path(resource, name), {"metadata": {field: changes}},
                                       "application/merge-patch+json")
                print(f"{resource['kind'].lower()}/{name} {done}")
        return 0
    return run


def _cordon(value):
    def run(cluster, options):
        for name in [w.split("/")[-1] for w in options.words]:
            cluster.client.request("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": value or None}},
                                   "application/merge-patch+json")
            print(f"node/{name} {'cordoned' if value else 'uncordoned'}")
        return 0
    return run


def _documents(options):
    if not options.file:
        raise Complaint("error: must specify one of -f and -k")
    text = sys.stdin.read() if options.file == "-" else open(options.file).read()
    for document in yaml.safe_load_all(text):
        if document:
            yield from document["items"] if document.get("kind") == "List" else [document]


def _apply(cluster, options):
    for document in _documents(options):
        resource = cluster.by_kind(document)
        meta = document["metadata"]
        cluster.namespace = meta.get("namespace") or options.namespace or "default"
        query = {"fieldManager": options.manager or "kubectl"}
        if options.force_conflicts or not options.server_side:
            query["force"] = "true"
        cluster.client.request("PATCH", cluster.path(resource, meta["name"]), document,
                               "application/apply-patch+yaml", query)
        print(f"{resource['kind'].lower()}{'.' + resource['group'] if resource['group'] else ''}/{meta['name']} "
              + ("serverside-applied" if options.server_side else "configured"))
    return 0


def _create(cluster, options):
    if options.words[:1] in (["namespace"], ["ns"]):
        cluster.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": options.words[1]}})
        print(f"namespace/{options.words[1]} created")
        return 0
    for document in _documents(options):
        resource = cluster.by_kind(document)
        cluster.namespace = document["metadata"].get("namespace") or options.namespace or "default"
        made = cluster.client.request("POST", cluster.path(resource), document)
        print(f"{resource['kind'].lower()}/{made['metadata']['name']} created")
    return 0


def _logs(cluster, options):
    if not options.words:
        print("error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.", file=sys.stderr)
        return 1
    name = options.words[0].split("/")[-1]
    query = {k: v for k, v in (("container", options.container), ("tailLines", options.tail),
                               ("previous", "true" if options.previous else None)) if v}
    text = cluster.client.request("GET", f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/log", query=query)
    sys.stdout.write(text if isinstance(text, str) else json.dumps(text))
    return 0


def _describe(cluster, options):
    for word, names in _targets(options.words):
        resource = cluster.resource(word)
        for obj in _selected(cluster, resource, names, options):
            print(yaml.safe_dump(obj, sort_keys=False))
            namespace = obj["metadata"].get("namespace", "default")
            events = cluster.client.get(f"/api/v1/namespaces/{namespace}/events",
                                        fieldSelector=f"involvedObject.name={obj['metadata']['name']}")
            print("Events:")
            for event in events["items"]:
                print(f"  {event.get('type')}  {event.get('reason')}  x{event.get('count')}  {event.get('message')}")
    return 0


def _wait(cluster, options):
    import time
    kind, _, rest = (options.condition or "").partition("=")
    wanted, _, value = rest.partition("=")
    seconds = float((options.timeout or "30s").rstrip("s"))
    end = time.monotonic() + seconds
    for word, names in _targets(options.words):
        resource = cluster.resource(word)
        while True:
            objects = _selected(cluster, resource, names, options) if kind != "delete" else []
            if objects and all(any(c["type"].lower() == wanted.lower() and c["status"] == (value or "True")
                                   for c in (o.get("status") or {}).get("conditions") or []) for o in objects):
                for obj in objects:
                    print(f"{resource['kind'].lower()}/{obj['metadata']['name']} condition met")
                break
            if time.monotonic() > end:
                raise Complaint(f"error: timed out waiting for the condition on {word}/{' '.join(names)}")
            time.sleep(0.5)
    return 0


def _api_resources(cluster, _options):
    for base, group in cluster._groups():
        for entry in cluster.client.get(base)["resources"]:
            if "/" not in entry["name"]:
                print(f"{entry['name']:34} {group or 'v1':30} {str(entry['namespaced']).lower():6} {entry['kind']}")
    return 0


_VERBS = {"get": _get, "delete": _delete, "patch": _patch, "label": _metadata("labels", "labeled"),
          "annotate": _metadata("annotations", "annotated"), "cordon": _cordon(True), "uncordon": _cordon(False),
          "apply": _apply, "create": _create, "logs": _logs, "describe": _describe, "wait": _wait,
          "api-resources": _api_resources}
