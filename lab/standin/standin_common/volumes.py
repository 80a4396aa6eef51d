"""Volumes and environment of a pod's containers."""

from __future__ import annotations

import base64
import os
import re
import shutil
from pathlib import Path

from .apiclient import Refused

PODS = Path("/var/lib/kubelet/pods")


class NotMountable(Exception):
    """A volume cannot be set up (yet); the text is the event's."""


class ConfigProblem(Exception):
    """CreateContainerConfigError: a referenced key does not exist."""


class PodFiles:
    """The pod's directory on the node, and what its containers see of it."""

    def __init__(self, pod, client, node, root=PODS, service=("10.43.0.1", "443")):
        """client: of the API; node: the node's address; root: where the node keeps its pods; service: of the API, for pods."""
        self._pod, self._client, self._node, self._service = pod, client, node, service
        self.directory = root / pod["metadata"]["uid"]

    def refresh(self, pod):
        self._pod = pod

    def create(self, address):
        self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        meta = self._pod["metadata"]
        hostname = self._pod["spec"].get("hostname") or meta["name"][:63]
        (self.directory / "etc-hosts").write_text(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
            f"{address}\t{hostname}\n")
        for volume in self._pod["spec"].get("volumes") or []:
            self._set_up(volume)

    def _volume_path(self, name):
        return self.directory / "volumes" / name

    def _set_up(self, volume):
        path = self._volume_path(volume["name"])
        if "hostPath" in volume:
            kind, source = volume["hostPath"].get("type") or "", volume["hostPath"]["path"]
            if kind == "DirectoryOrCreate":
                os.makedirs(source, exist_ok=True)
            elif kind == "FileOrCreate" and not os.path.exists(source):
                Path(source).touch()
            elif kind and not os.path.exists(source):
                raise NotMountable(f'MountVolume.SetUp failed for volume "{volume["name"]}" : hostPath type check '
                                   f"failed: {source} is not a {kind.lower()}")
            return
        path.mkdir(parents=True, exist_ok=True)
        if "emptyDir" in volume:
            path.chmod(0o777)
            return
        for name, content in self._content(volume).items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o644)

    def _content(self, volume):
        if "configMap" in volume:
            return self._items(volume["configMap"], "configmaps", volume["configMap"].get("name"), volume["name"])
        if "secret" in volume:
            return self._items(volume["secret"], "secrets", volume["secret"].get("secretName"), volume["name"])
        if "downwardAPI" in volume:
            return {i["path"]: self._field(i["fieldRef"]["fieldPath"]).encode()
                    for i in volume["downwardAPI"].get("items") or [] if "fieldRef" in i}
        if "projected" in volume:
            found = {}
            for source in volume["projected"].get("sources") or []:
                if "serviceAccountToken" in source:
                    found[source["serviceAccountToken"]["path"]] = self._token().encode()
                else:
                    inner = {"secret": {**source["secret"], "secretName": source["secret"].get("name")}} \
                        if "secret" in source else source
                    found.update(self._content({**inner, "name": volume["name"]}))
            return found
        raise NotMountable(f'MountVolume.SetUp failed for volume "{volume["name"]}" : volume type is not supported by '
                           "the stand-in")

    def _items(self, source, plural, name, volume_name):
        data = self._data(plural, name)
        if data is None:
            if source.get("optional"):
                return {}
            kind = "configmap" if plural == "configmaps" else "secret"
            raise NotMountable(f'MountVolume.SetUp failed for volume "{volume_name}" : {kind} "{name}" not found')
        if source.get("items"):
            return {i["path"]: data[i["key"]] for i in source["items"] if i["key"] in data}
        return data

    def _data(self, plural, name):
        """{key: bytes} of a ConfigMap or Secret, None where it does not exist."""
        namespace = self._pod["metadata"]["namespace"]
        try:
            obj = self._client.get(f"/api/v1/namespaces/{namespace}/{plural}/{name}")
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise
        if plural == "secrets":
            return {k: base64.b64decode(v) for k, v in (obj.get("data") or {}).items()}
        found = {k: v.encode() for k, v in (obj.get("data") or {}).items()}
        found.update({k: base64.b64decode(v) for k, v in (obj.get("binaryData") or {}).items()})
        return found

    def _token(self):
        meta, account = self._pod["metadata"], self._pod["spec"].get("serviceAccountName", "default")
        answer = self._client.request(
            "POST", f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
                "expirationSeconds": 3607,
                "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}}})
        return answer["status"]["token"]

    def mounts(self, container, log_path):
        """What container_init is to mount: [{source, target, read_only}]"""
        found = [{"source": str(self.directory / "etc-hosts"), "target": "/etc/hosts"},
                 {"source": "/etc/resolv.conf", "target": "/etc/resolv.conf", "read_only": True}]
        volumes = {v["name"]: v for v in self._pod["spec"].get("volumes") or []}
        for mount in container.get("volumeMounts") or []:
            volume = volumes[mount["name"]]
            source = Path(volume["hostPath"]["path"]) if "hostPath" in volume else self._volume_path(mount["name"])
            if mount.get("subPath"):
                source = source / mount["subPath"]
            if not source.exists():
                source.mkdir(parents=True)
            found.append({"source": str(source), "target": mount["mountPath"],
                          "read_only": bool(mount.get("readOnly"))})
        return found

    # -- environment -------------------------------------------------------------------------------
    def environment(self, container, image_environment, address):
        found = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                 "HOSTNAME": self._pod["metadata"]["name"]}
        found.update(dict(e.split("=", 1) for e in image_environment or [] if "=" in e))
        found.update(dict(zip(("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"), self._service)))
        if self._service[0]:
            found["KUBERNETES_PORT"] = f"tcp://{self._service[0]}:{self._service[1]}"
        for source in container.get("envFrom") or []:
            found.update(self._env_from(source))
        for entry in container.get("env") or []:
            value = self._env_value(entry, address)
            if value is not None:
                found[entry["name"]] = _expand(value, found)
        return found

    def _env_from(self, source):
        for key, plural in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if key in source:
                data = self._data(plural, source[key]["name"])
                if data is None and not source[key].get("optional"):
                    kind = "configmap" if plural == "configmaps" else "secret"
                    raise ConfigProblem(f'{kind} "{source[key]["name"]}" not found')
                return {source.get("prefix", "") + k: v.decode() for k, v in (data or {}).items()}
        return {}

    def _env_value(self, entry, address):
        if "valueFrom" not in entry:
            return entry.get("value", "")
        source = entry["valueFrom"]
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"], address)
        for key, plural in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            if key in source:
                data = self._data(plural, source[key]["name"])
                if data is None or source[key]["key"] not in data:
                    if source[key].get("optional"):
                        return None
                    kind = "configmap" if plural == "configmaps" else "secret"
                    if data is None:
                        raise ConfigProblem(f'{kind} "{source[key]["name"]}" not found')
                    raise ConfigProblem(f"couldn't find key {source[key]['key']} in "
                                        f"{'ConfigMap' if plural == 'configmaps' else 'Secret'} "
                                        f"{self._pod['metadata']['namespace']}/{source[key]['name']}")
                return data[source[key]["key"]].decode()
        return ""

    def _field(self, path, address=""):
        meta, spec = self._pod["metadata"], self._pod["spec"]
        simple = {"metadata.name": meta["name"], "metadata.namespace": meta["namespace"], "metadata.uid": meta["uid"],
                  "spec.nodeName": spec.get("nodeName", ""), "status.podIP": address, "status.hostIP": self._node,
                  "spec.serviceAccountName": spec.get("serviceAccountName", "")}
        if path in simple:
            return simple[path]
        found = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
        return (meta.get(found[1]) or {}).get(found[2], "") if found else ""

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def _expand(text, known):
    """$(NAME) of variables defined before; $$(NAME) stays as $(NAME)."""
    return re.sub(r"\$(\$)?\(([A-Za-z_][\w.-]*)\)", lambda m: m[0][1:] if m[1] else known.get(m[2], m[0]), text)
