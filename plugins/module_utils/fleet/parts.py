# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of a fleet.yml that may still break the schema: what has another shape than the wanted one counts as absent."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import Path

_HOST_NAME = re.compile(r"^(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$", re.I)

Problem = Tuple[Path, str]


class Placed(NamedTuple):
    """A mapping of fleet.yml and where it stands."""

    path: Path
    data: Dict[str, Any]
    site: str = ""


def mapping(data: Dict[str, Any], key: str) -> Dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def mappings(data: Dict[str, Any], path: Path, key: str, site: str = "") -> Iterator[Placed]:
    value = data.get(key)
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield Placed(path + (key, index), item, site)


def text(data: Dict[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def texts(data: Dict[str, Any], key: str) -> List[str]:
    value = data.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
        return True
    except ValueError:
        return False


def is_host_name(name: str) -> bool:
    # 10.0.0.256 has the shape of a DNS name, and is none.
    return bool(_HOST_NAME.match(name)) and not name.replace(".", "").isdigit()
