"""Devices of this node: what device plugins offer, who has which, and what a container gets with them. No gRPC here."""

from __future__ import annotations

import json
import threading
import time

from . import log, pki, quantity

FORGET_SECONDS = 300.0    # a resource whose plugin is gone shows its capacity this long
CHECKPOINT = "kubelet_internal_checkpoint"


class NotAdmitted(Exception):
    """The devices that a pod asks for cannot be given; the text is the kubelet's."""


class _Resource:
    def __init__(self):
        self.devices = {}            # id -> healthy?
        self.plugin = None
        self.gone_since = None       # monotonic time


class DeviceManager:
    """`plugin` objects have `watch()`, which yields lists of devices till the plugin is gone, `allocate(ids)`, `close()`.

    What changes shows in the node with the next status, up to ten seconds later, as with the real kubelet.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.RLock()
        self._resources, self._held, self._checkpoint = {}, {}, None

    def load(self, directory):
        """Finds again what an earlier kubelet gave; its resources are known and empty until their plugins come back."""
        self._checkpoint = directory / CHECKPOINT
        try:
            record = json.loads(self._checkpoint.read_text())
            names, held = record["resources"], record["held"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        for name in names:
            self._resources[name] = _Resource()
        self._held = held

    def _save(self):
        if self._checkpoint:
            pki.write_file(self._checkpoint, json.dumps({"resources": sorted(self._resources), "held": self._held}), 0o600)

    # -- plugins -----------------------------------------------------------------------------------
    def register(self, name, plugin):
        """A plugin for a resource is there; it takes the place of an earlier one."""
        log.kubernetes("I", "server.go:146", f'"Got registration request from device plugin with resource" resourceName="{name}"')
        with self._lock:
            resource = self._resources.setdefault(name, _Resource())
            old, resource.plugin = resource.plugin, plugin
            self._save()
        if old:
            old.close()
        threading.Thread(target=self._follow, args=(name, resource, plugin), daemon=True, name="device-plugin").start()

    def _follow(self, name, resource, plugin):
        try:
            for devices in plugin.watch():
                with self._lock:
                    if resource.plugin is not plugin:
                        return
                    resource.devices = {d["ID"]: d["health"] == "Healthy" for d in devices}
                    resource.gone_since = None
        except Exception as problem:
            log.kubernetes("E", "endpoint.go:106", f'"listAndWatch ended unexpectedly for device plugin" err="{problem}" '
                           f'resourceName="{name}"')
        with self._lock:
            if resource.plugin is not plugin:
                return
            resource.plugin, resource.gone_since = None, self._clock()
            resource.devices = dict.fromkeys(resource.devices, False)
        plugin.close()

    def amounts(self):
        """{resource: (capacity, allocatable)}"""
        with self._lock:
            found = {}
            for name, resource in self._resources.items():
                if resource.gone_since is not None and self._clock() - resource.gone_since > FORGET_SECONDS:
                    resource.devices = {}
                found[name] = len(resource.devices), sum(resource.devices.values())
            return found

    def totals(self):
        """{resource: devices that can be given}, as the kubelet counts and not as the node's status says."""
        return {name: usable for name, (_, usable) in self.amounts().items()}

    def has(self, spec):
        """Does the pod ask for a resource of a plugin that was ever here?"""
        return any(name in self._resources for name in quantity.pod_requests(spec))

    # -- pods --------------------------------------------------------------------------------------
    def admit(self, pod, living):
        """Gives a pod its devices. living: uids of pods that may hold some. Raises NotAdmitted."""
        uid = pod["metadata"]["uid"]
        with self._lock:
            for old in set(self._held) - set(living) - {uid}:
                del self._held[old]
        for container in [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]:
            limits = (container.get("resources") or {}).get("limits") or {}
            for name in [n for n in limits if n in self._resources]:
                self._give(uid, container["name"], name, int(quantity.parse(limits[name])))
        with self._lock:
            self._save()

    def _give(self, uid, container, name, amount):
        with self._lock:
            resource = self._resources[name]
            if amount and not any(resource.devices.values()):   # also for a pod that had some before a reboot
                raise NotAdmitted(f"no healthy devices present; cannot allocate unhealthy devices {name}")
            if not amount or name in self._held.get(uid, {}).get(container, {}):
                return
            taken = {i for pod in self._held.values() for one in pod.values() for i in one.get(name, {}).get("ids", [])}
            free = sorted(i for i, healthy in resource.devices.items() if healthy and i not in taken)
            if len(free) < amount:
                raise NotAdmitted(f"requested number of devices unavailable for {name}. Requested: {amount}, Available: "
                                  f"{len(free)}")
            plugin = resource.plugin
        try:
            response = plugin.allocate(free[:amount])
        except Exception as problem:
            raise NotAdmitted(f"rpc error: {problem}") from None
        with self._lock:
            self._held.setdefault(uid, {}).setdefault(container, {})[name] = {"ids": free[:amount], "response": response}

    def given(self, uid, container):
        """The plugins' answers for a container: dictionaries with envs, mounts, devices, annotations, cdi_devices."""
        with self._lock:
            return [one["response"] for one in self._held.get(uid, {}).get(container, {}).values()]

    def forget(self, uid):
        with self._lock:
            if self._held.pop(uid, None):
                self._save()


def rejection(problem):
    """(reason, message) of a pod that was not admitted."""
    return "UnexpectedAdmissionError", f"Pod was rejected: Allocate failed due to {problem}, which is unexpected"


def exceeds(pod, others, allocatable):
    """(resource, asked, used, capacity) of the first device resource that does not fit, or None."""
    asked = quantity.pod_requests(pod["spec"])
    for name, amount in asked.items():
        if quantity.is_extended(name):
            used = sum(quantity.pod_requests(o["spec"]).get(name, 0) for o in others)
            capacity = quantity.parse(allocatable.get(name, 0))
            if used + amount > capacity:
                return name, amount, used, capacity
    return None


def out_of(short):
    """(reason, message) of a pod that does not fit, from what `exceeds` returned."""
    name, asked, used, capacity = (short[0], *map(quantity.display, short[1:]))
    return (f"OutOf{name}", f"Pod was rejected: Node didn't have enough resource: {name}, requested: {asked}, used: "
            f"{used}, capacity: {capacity}")
