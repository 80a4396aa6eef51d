# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EdgeCore's engine on the host: what containerd must be told, its network for pods, and the images that it must hold. Pure.

EdgeCore brings neither. Without a network the node stays NotReady; with another cgroup driver, or without the pause image, it
is Ready and no pod starts.
"""

from __future__ import annotations

import ipaddress
import json
from typing import NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config

DROP_IN = "/etc/containerd/conf.d/40-edgeai-edgecore.toml"
HEADER = "# Written by edgeai.sites (role edgecore); changes will be overwritten.\n"
CONFLIST = "/etc/cni/net.d/10-edgeai.conflist"
NETWORK = "edgeai"
BRIDGE = "cni-edgeai"
PLUGINS = ("bridge", "host-local", "loopback", "portmap")
#: Where packages put the plugins: Debian's, and everybody else's.
PLUGIN_DIRS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
NAMESPACE = "k8s.io"
_IMAGES = "io.containerd.cri.v1.images"


def drop_ins(dump: str, main: str | None, sandbox: str, systemd_cgroup: bool, plugin_dir: str) -> list[str]:
    """Texts of the drop-in, the best first, for a containerd whose configuration without it is ``dump``, with the file ``main``.

    ``sandbox``: the pause image. ``plugin_dir``: where the CNI plugins are.
    """
    texts = []
    for version in config.versions(dump, main):
        runc = {"containerd.runtimes.runc": {"runtime_type": '"io.containerd.runc.v2"'},
                "containerd.runtimes.runc.options": {"SystemdCgroup": "true" if systemd_cgroup else "false"}}
        own = dict(runc, cni=dict(_plugin_dir(dump, plugin_dir)))
        if version == 2:
            own[""] = {"sandbox_image": json.dumps(sandbox)}
        own = {table: settings for table, settings in own.items() if settings}
        lines = config.section(dump, own) if config.config_version(dump) == 2 else config.tables(version, own)[1:]
        if version == 3:
            lines += ["", "[plugins.'%s'.pinned_images]" % _IMAGES, "  sandbox = %s" % json.dumps(sandbox)]
        texts.append("\n".join([HEADER + "version = %d" % version, ""] + lines) + "\n")
    return texts


def _plugin_dir(dump: str, wanted: str) -> dict[str, str]:
    """containerd 2.1 knows a list of directories; the single one is then empty."""
    if config.value(dump, "cni", "bin_dirs") not in ("", "[]"):
        return {"bin_dirs": json.dumps([wanted])}
    return {"bin_dir": json.dumps(wanted)}


def problems(before: str, after: str, sandbox: str, systemd_cgroup: bool, plugin_dir: str) -> list[str]:
    """What is not as wanted in the dump ``after`` of a configuration with the drop-in; ``before`` is without. One text each."""
    disabled = config.cri_disabled(after)
    if disabled:
        return ["another file disables the CRI plugin (%s), so EdgeCore could not use containerd. Take cri out of that list" % disabled]
    seen = {"sandbox image": (sandbox_image(after), sandbox), "SystemdCgroup of runc": (str(config.runc_systemd(after)).lower(), str(systemd_cgroup).lower()),
            "CNI directory": (plugin_dirs(after)[0], plugin_dir)}
    found = ["the %s would be %s, wanted %s: a file that is imported later says so" % (name, has or "nothing", wanted)
             for name, (has, wanted) in sorted(seen.items()) if has != wanted]
    lost = config.lost_keys(before, after, _ours)
    return found + (["it would lose what other files say: %s" % ", ".join(lost[:5])] if lost else [])


def _ours(table: str, key: str) -> bool:
    return key in ("sandbox_image", "sandbox", "SystemdCgroup", "bin_dir", "bin_dirs", "disabled_plugins") or (
        key == "runtime_type" and config.of_runtime(table, "runc"))


def sandbox_image(dump: str) -> str:
    """The pause image by a dump."""
    if config.config_version(dump) == 2:
        return config.value(dump, "", "sandbox_image")
    return config.flatten(dump).get(("plugins.%s.pinned_images" % _IMAGES, "sandbox"), "").strip("\"'")


def plugin_dirs(dump: str) -> list[str]:
    """Where containerd looks for CNI plugins, by a dump."""
    many = config.value(dump, "cni", "bin_dirs").strip("[]")
    single = config.value(dump, "cni", "bin_dir")
    return [item.strip().strip("\"'") for item in many.split(",") if item.strip()] or [single or PLUGIN_DIRS[1]]


# --- the network of pods ---------------------------------------------------------------------------------------------


def conflist(subnet: str) -> str:
    """One bridge for the pods of this node, with host ports. Pods of different nodes do not reach each other by it."""
    network = ipaddress.ip_network(subnet)
    route = "::/0" if network.version == 6 else "0.0.0.0/0"
    return json.dumps({"cniVersion": "1.0.0", "name": NETWORK, "plugins": [
        {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": True, "hairpinMode": True,
         "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": route}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]}, indent=2, sort_keys=True) + "\n"


def network_problem(files: dict[str, str], plugins: set[str]) -> str:
    """Why pods would get no network from these files of /etc/cni/net.d (name -> text) and plugins, "" when they would.

    containerd takes the first file by name, whatever it is, and says nothing when that is broken.
    """
    names = sorted(name for name in files if name.endswith((".conf", ".conflist", ".json")))
    if not names:
        return "no network configuration in /etc/cni/net.d"
    try:
        document = json.loads(files[names[0]])
        kinds = [str(item["type"]) for item in document.get("plugins") or [document]]
        kinds += [str(item["ipam"]["type"]) for item in document.get("plugins") or [document] if item.get("ipam")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "/etc/cni/net.d/%s, which containerd would take, is no network configuration" % names[0]
    missing = sorted(set(kinds + ["loopback"]) - plugins)
    return "the network %s needs the CNI plugins %s, which are not installed" % (names[0], ", ".join(missing)) if missing else ""


# --- images ----------------------------------------------------------------------------------------------------------


class Image(NamedTuple):
    """An image of an archive: its full name, and the digest of its manifest (``sha256:…``)."""

    name: str
    digest: str

    @property
    def pinned(self) -> str:
        """The name by which workloads ask for it."""
        return "%s@%s" % (repository(self.name), self.digest)


def repository(name: str) -> str:
    """The name without tag and digest."""
    name = name.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    return path if colon and "/" not in tag else name


def images_of(index: str) -> list[Image]:
    """Images of an OCI archive, from its ``index.json``; ValueError when it has none with a name."""
    document = json.loads(index)
    found = []
    for entry in document.get("manifests") or []:
        name = (entry.get("annotations") or {}).get("io.containerd.image.name")
        if name:
            found.append(Image(str(name), str(entry["digest"])))
    if not found:
        raise ValueError("it names no image (io.containerd.image.name)")
    return found


def parse_images(text: str) -> dict[str, str]:
    """``{name: digest}`` of what ``ctr images ls`` prints."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2 and row[2].startswith("sha256:")}


def to_import(wanted: dict[str, list[Image]], there: dict[str, str]) -> list[str]:
    """Archives, of ``{path: images}``, that containerd has not imported, or in another version."""
    return sorted(path for path, images in wanted.items()
                  if any(there.get(name) != image.digest for image in images for name in (image.name, image.pinned)))


def chosen_pause(name: str, archives: dict[str, list[Image]]) -> str:
    """The full name of the pause image ``name`` (``name:version`` of the bundle, or a full name)."""
    for images in archives.values():
        for image in images:
            if image.name == name or image.name.endswith("/" + name):
                return image.name
    return full_name(name)


def full_name(name: str) -> str:
    """A short name as containerd knows it."""
    first = name.split("/")[0]
    if "/" not in name:
        return "docker.io/library/" + name
    return name if "." in first or ":" in first or first == "localhost" else "docker.io/" + name


def plugin_status(text: str, kind: str = "cri") -> str:
    """Status of a plugin from ``ctr plugins ls`` (``ok``, ``error``, ``skip``); "" when it is not there.

    containerd 1.x has one row for CRI (io.containerd.grpc.v1 cri); 2.x has that row too.
    """
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0] == "io.containerd.grpc.v1" and words[1] == kind:
            return words[-1]
    return ""
