"""Messages of the kubelet's device plugin API (v1beta1). Used by the kubelet and by the lab's device plugin alike."""

from __future__ import annotations

from standin_common.protobuf import Codec

VERSION = "v1beta1"
REGISTER = "/v1beta1.Registration/Register"
OPTIONS, LIST_AND_WATCH, ALLOCATE, PREFERRED, PRE_START = (
    "/v1beta1.DevicePlugin/" + name for name in (
        "GetDevicePluginOptions", "ListAndWatch", "Allocate", "GetPreferredAllocation", "PreStartContainer"))

MESSAGES = {
    "Empty": {},
    "DevicePluginOptions": {1: ("pre_start_required", bool), 2: ("get_preferred_allocation_available", bool)},
    "RegisterRequest": {1: ("version", str), 2: ("endpoint", str), 3: ("resource_name", str),
                        4: ("options", "DevicePluginOptions")},
    "ListAndWatchResponse": {1: ("devices", ["Device"])},
    "Device": {1: ("ID", str), 2: ("health", str)},
    "AllocateRequest": {1: ("container_requests", ["ContainerAllocateRequest"])},
    "ContainerAllocateRequest": {1: ("devices_ids", [str])},
    "AllocateResponse": {1: ("container_responses", ["ContainerAllocateResponse"])},
    "ContainerAllocateResponse": {1: ("envs", {str: str}), 2: ("mounts", ["Mount"]), 3: ("devices", ["DeviceSpec"]),
                                  4: ("annotations", {str: str}), 5: ("cdi_devices", ["CDIDevice"])},
    "Mount": {1: ("container_path", str), 2: ("host_path", str), 3: ("read_only", bool)},
    "DeviceSpec": {1: ("container_path", str), 2: ("host_path", str), 3: ("permissions", str)},
    "CDIDevice": {1: ("name", str)},
}
_CODEC = Codec(MESSAGES)
encoder, decoder = _CODEC.encoder, _CODEC.decoder
