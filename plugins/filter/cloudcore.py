# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters between edge_cloudcore and a cluster: CloudCore's configuration, its objects, who joins it, and EdgeMesh's objects."""

from __future__ import annotations

import json

import yaml

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.images import find_image
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import parse_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_config, manifests, mesh, ports
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain, speaking


def cloudcore_config(cloudcore, kubeconfig="", nodes=0, quic=False, stream=True, extra=None, edgemesh=False):
    """Return the text of cloudcore.yaml for what edge_cloudcore says."""
    given = plain(cloudcore)
    if edgemesh and not cloud_config.lists_for_edge(plain(extra or {})):
        raise manifests.ManifestError("cloudcore_config switches modules.dynamicController off, without which EdgeMesh's agents see no "
                                      "service: take it out, or set edgemesh_state: absent")
    settings = cloud_config.Settings(addresses=given["addresses"], names=given.get("names", []), ports=_ports(given),
                                     kubeconfig=kubeconfig, nodes=int(nodes), quic=bool(quic), stream=bool(stream),
                                     extra=plain(extra or {}))
    return _yaml(cloud_config.document(settings))


def cloudcore_objects(cloudcore, crd_files, config, image="", nodes=0, replicas=1, servers=(), quic=False, stream=True, mark="",
                      stream_sha256="", resources=None):
    """Return the objects of CloudCore: resource definitions and access, and in a cluster its workload."""
    given = plain(cloudcore)
    objects = manifests.check_crds(_documents(crd_files)) + manifests.access()
    if given.get("shape", "cluster") != "cluster":
        return objects
    return objects + manifests.workload(manifests.Deployment(
        image=str(image), config=str(config), ports=ports.listening(_ports(given), bool(quic), bool(stream)), nodes=int(nodes),
        replicas=int(replicas), servers=tuple(plain(list(servers))), mark=str(mark),
        stream_sha256=str(stream_sha256) if stream else "", resources=plain(resources or {})))


def edgemesh_objects(relays, crd_files, bundle, edge=(), cloud=(), image="edgemesh-agent:v1.17.0", psk_mark="", foreign_crds=(),
                     resources=None):
    """Return the objects of EdgeMesh for a cluster: resource definitions, access, configuration and DaemonSets."""
    found, manifest = plain(relays), parse_manifest(plain(bundle))
    wanted = mesh.Mesh(relays=found, image_of=lambda arch: find_image(image, manifest, arch).image.pinned, edge=tuple(plain(edge)),
                       cloud=tuple(plain(cloud)), psk_mark=str(psk_mark), resources=plain(resources or {}))
    problems = mesh.check_relays(found)
    if problems:
        raise manifests.ManifestError("; ".join(problems))
    texts = {side: _yaml(mesh.config(found, side == "edge")) for side in ("edge", "cloud")}
    return mesh.objects(wanted, mesh.wanted_crds(_documents(crd_files), plain(foreign_crds)), texts)


def cloudcore_nodes(hosts, place):
    """Return those of the EdgeCore nodes that join the CloudCore of a place, with name, labels and transport."""
    return [{"name": str(variables["inventory_hostname"]), "labels": plain(variables.get("edge_labels") or {}),
             "transport": str(variables.get("edge_site_transport", "websocket"))}
            for variables in hosts if (variables.get("edge_cloudcore") or {}).get("place") == place]


def _yaml(document):
    # Templates hand over subclasses of str and int, which YAML does not write.
    return yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, default_flow_style=False)


def _ports(cloudcore):
    return {**{port.name: port.number for port in ports.TABLE}, **cloudcore.get("ports", {})}


def _documents(paths):
    documents = []
    for path in paths:
        with open(path, encoding="utf-8") as stream:
            try:
                documents += [document for document in yaml.safe_load_all(stream) if document]
            except yaml.YAMLError as error:
                raise manifests.ManifestError("%s of the bundle is no YAML: %s" % (path, error)) from error
    return documents


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {name: speaking(function) for name, function in (
            ("cloudcore_config", cloudcore_config), ("cloudcore_objects", cloudcore_objects),
            ("cloudcore_nodes", cloudcore_nodes), ("edgemesh_objects", edgemesh_objects))}
