"""Messages of the kubelet's device plugin API (v1beta1) as protocol buffers, without a library for them.

A message is a dictionary; fields that are left out have their zero value. Used by the kubelet and by the lab's device
plugin alike.
"""

from __future__ import annotations

VERSION = "v1beta1"
REGISTER = "/v1beta1.Registration/Register"
OPTIONS, LIST_AND_WATCH, ALLOCATE, PREFERRED, PRE_START = (
    "/v1beta1.DevicePlugin/" + name for name in (
        "GetDevicePluginOptions", "ListAndWatch", "Allocate", "GetPreferredAllocation", "PreStartContainer"))

# {message: {field number: (name, type)}}. A type is str, bool, int, the name of a message, [type] for a repeated field
# or {str: str} for a map.
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
_PAIR = {1: ("key", str), 2: ("value", str)}


def encoder(message):
    """A function that makes bytes of a dictionary; what gRPC calls a serializer."""
    return lambda value: _encode(MESSAGES[message], value)


def decoder(message):
    """A function that makes a dictionary of bytes. Unknown fields are skipped."""
    return lambda data: _decode(MESSAGES[message], data)


def _encode(fields, value):
    out = b""
    for number, (name, kind) in fields.items():
        content = value.get(name)
        if not content:
            continue
        if isinstance(kind, dict):
            for key in sorted(content):
                out += _field(number, _encode(_PAIR, {"key": key, "value": content[key]}))
        else:
            for item in content if isinstance(kind, list) else [content]:
                out += _one(number, kind[0] if isinstance(kind, list) else kind, item)
    return out


def _one(number, kind, item):
    if kind in (bool, int):
        return _varint(number << 3) + _varint(int(item))
    return _field(number, item.encode() if kind is str else _encode(MESSAGES[kind], item))


def _field(number, data):
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _decode(fields, data):
    value = {name: {} if isinstance(kind, dict) else [] if isinstance(kind, list) else
             "" if kind is str else False if kind is bool else 0 if kind is int else None
             for name, kind in fields.values()}
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        content, at = _read_content(data, at, key & 7)
        if key >> 3 in fields:
            _store(value, *fields[key >> 3], content)
    return value


def _read_content(data, at, wire_type):
    if wire_type == 0:
        return _read_varint(data, at)
    size, at = (8 if wire_type == 1 else 4, at) if wire_type in (1, 5) else _read_varint(data, at)
    if wire_type not in (1, 2, 5) or at + size > len(data):
        raise ValueError("not a message of the device plugin API")
    return data[at:at + size], at + size


def _read_varint(data, at):
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("not a message of the device plugin API")
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at


def _store(value, name, kind, content):
    if isinstance(kind, dict):
        pair = _decode(_PAIR, content)
        value[name][pair["key"]] = pair["value"]
        return
    single = kind[0] if isinstance(kind, list) else kind
    if single is str:
        content = content.decode()
    elif single is bool:
        content = bool(content)
    elif single is not int:
        content = _decode(MESSAGES[single], content)
    if isinstance(kind, list):
        value[name].append(content)
    else:
        value[name] = content
