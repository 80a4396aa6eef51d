# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role k3s."""

from __future__ import annotations

from typing import Any

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import keys


def k3s_public_config(config: dict[str, Any]) -> dict[str, Any]:
    """Keys of config.yaml that may be shown."""
    return {name: value for name, value in config.items() if not keys.is_secret(name)}


def k3s_secret_config(config: dict[str, Any]) -> dict[str, Any]:
    """Keys of config.yaml that must not be shown."""
    return {name: value for name, value in config.items() if keys.is_secret(name)}


def k3s_public_env(env: dict[str, Any]) -> dict[str, Any]:
    """Environment variables that may be shown."""
    return {name: value for name, value in env.items() if not keys.is_secret_env(name, value)}


def k3s_secret_env(env: dict[str, Any]) -> dict[str, Any]:
    """Environment variables that must not be shown."""
    return {name: value for name, value in env.items() if keys.is_secret_env(name, value)}


class FilterModule:
    """Filters by name."""

    def filters(self) -> dict[str, Any]:
        return {function.__name__: function for function in (
            k3s_public_config, k3s_secret_config, k3s_public_env, k3s_secret_env)}
