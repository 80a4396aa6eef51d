# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schema violations in words: what was found, what was wanted, the nearest valid key."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import Document, Finding, Path
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import (
    ALIASES,
    CLOUD,
    CLOUDCORE,
    FLEET,
    NODE,
    SITE,
    WINDOW,
    WORKLOAD,
)

_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
# Mappings of a kind of file, and what people call them.
Places = Tuple[Tuple[Dict[str, Any], str], ...]
_PLACES: Places = (
    (FLEET, "the top level"),
    (SITE, "a site"),
    (NODE, "a node"),
    (CLOUD, "cloud"),
    (CLOUDCORE, "cloudcore"),
    (WORKLOAD, "a workload"),
    (WINDOW, "a window"),
)


def explain(document: Document, errors: Iterable[Any], places: Places = _PLACES) -> List[Finding]:
    """jsonschema's errors as findings, each said once. places: where else in such a file a misplaced key would be valid."""
    findings: Dict[Finding, None] = {}
    for error in errors:
        for path, message in _messages(error, places):
            findings[document.finding(path, message)] = None
    return list(findings)


def nearest(word: str, candidates: Iterable[str]) -> str:
    """' Did you mean …?', or '' when nothing is near."""
    close = get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def _messages(error: Any, places: Places) -> Iterator[Tuple[Path, str]]:
    path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        yield path + (error.instance,), f"found the key {_show(error)}; wanted {_wanted(error)}"
    elif error.validator == "additionalProperties":
        known = error.schema["properties"]
        for key in error.instance:
            if key not in known:
                yield path + (key,), _unknown_key(str(key), known, places)
    elif error.validator == "required":
        for key in error.validator_value:
            if key not in error.instance:
                yield path, f"the key '{key}' is missing"
    elif error.validator == "dependentRequired":
        for key, needed in error.validator_value.items():
            for other in needed:
                if key in error.instance and other not in error.instance:
                    yield path + (key,), f"'{key}' needs the key '{other}' beside it"
    else:
        yield path, f"found {_show(error)}; wanted {_wanted(error)}{_hint(error)}"


def _unknown_key(key: str, known: Dict[str, Any], places: Places) -> str:
    hint = nearest(key, known)
    elsewhere = [name for schema, name in places if key in schema["properties"]]
    if not hint and elsewhere:
        hint = f" '{key}' is a key of {' and of '.join(elsewhere)}."
    return f"unknown key '{key}'.{hint} Valid here: {', '.join(sorted(known))}"


def _show(error: Any) -> str:
    value = error.instance
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return f"a mapping with {len(value)} keys"
    if isinstance(value, list):
        return f"a list with {len(value)} items"
    if error.schema.get("writeOnly"):
        return "something that is not text"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}…'"
    return str(value)


def _wanted(error: Any) -> str:
    limit = error.validator_value
    if error.validator == "enum":
        return "one of " + ", ".join(map(str, limit))
    if error.validator == "const":
        return str(limit)
    if "description" in error.schema:
        return error.schema["description"]
    if error.validator == "type":
        kinds = limit if isinstance(limit, list) else [limit]
        return " or ".join(_TYPE_WORDS[kind] for kind in kinds)
    return {
        "minLength": "text that is not empty",
        "minItems": f"at least {limit} of them",
        "minProperties": "exactly one of " + ", ".join(error.schema.get("properties", {})),
        "maxProperties": "exactly one of " + ", ".join(error.schema.get("properties", {})),
        "uniqueItems": "each item once",
        "minimum": f"{limit} or more",
        "maximum": f"{limit} or less",
        "exclusiveMinimum": f"more than {limit}",
    }.get(error.validator, error.message)


def _hint(error: Any) -> str:
    if error.validator != "enum" or not isinstance(error.instance, str):
        return ""
    alias = ALIASES.get(error.instance.lower())
    if alias in error.validator_value:
        return f". Write '{alias}' for '{error.instance}'"
    guess = nearest(error.instance, error.validator_value)
    return f".{guess}" if guess else ""
