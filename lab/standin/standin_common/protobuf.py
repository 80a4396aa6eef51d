"""Protocol buffers without a library for them: messages are dictionaries; fields that are left out have their zero value."""

from __future__ import annotations

_PAIR = {1: ("key", str), 2: ("value", str)}


class Codec:
    """Messages of one API.

    messages: {message: {field number: (name, type)}}. A type is str, bytes, bool, int, the name of a message, [type] for a
    repeated field or {str: str} for a map.
    """

    def __init__(self, messages):
        self._messages = messages

    def encoder(self, message):
        """A function that makes bytes of a dictionary; what gRPC calls a serializer."""
        return lambda value: self._encode(self._messages[message], value)

    def decoder(self, message):
        """A function that makes a dictionary of bytes. Unknown fields are skipped."""
        return lambda data: self._decode(self._messages[message], data)

    def _encode(self, fields, value):
        out = b""
        for number, (name, kind) in fields.items():
            content = value.get(name)
            if content is None or not content and not isinstance(kind, str):
                continue
            if isinstance(kind, dict):
                for key in sorted(content):
                    out += _field(number, self._encode(_PAIR, {"key": key, "value": content[key]}))
            else:
                for item in content if isinstance(kind, list) else [content]:
                    out += self._one(number, kind[0] if isinstance(kind, list) else kind, item)
        return out

    def _one(self, number, kind, item):
        if kind in (bool, int):
            return _varint(number << 3) + _varint(int(item) & (1 << 64) - 1)
        if kind is bytes:
            return _field(number, item)
        return _field(number, item.encode() if kind is str else self._encode(self._messages[kind], item))

    def _decode(self, fields, data):
        value = {name: _zero(kind) for name, kind in fields.values()}
        at = 0
        while at < len(data):
            key, at = _read_varint(data, at)
            content, at = _read_content(data, at, key & 7)
            if key >> 3 in fields:
                self._store(value, *fields[key >> 3], content)
        return value

    def _store(self, value, name, kind, content):
        if isinstance(kind, dict):
            pair = self._decode(_PAIR, content)
            value[name][pair["key"]] = pair["value"]
            return
        single = kind[0] if isinstance(kind, list) else kind
        if single is str:
            content = content.decode(errors="replace")
        elif single is bool:
            content = bool(content)
        elif single is int:
            content -= (content >> 63) << 64
        elif single is not bytes:
            content = self._decode(self._messages[single], content)
        if isinstance(kind, list):
            value[name].append(content)
        else:
            value[name] = content


def _zero(kind):
    if isinstance(kind, (dict, list)):
        return type(kind)()
    return kind() if isinstance(kind, type) else None


def _field(number, data):
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_content(data, at, wire_type):
    if wire_type == 0:
        return _read_varint(data, at)
    size, at = (8 if wire_type == 1 else 4, at) if wire_type in (1, 5) else _read_varint(data, at)
    if wire_type not in (1, 2, 5) or at + size > len(data):
        raise ValueError("not a message of this API")
    return data[at:at + size], at + size


def _read_varint(data, at):
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("not a message of this API")
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at
