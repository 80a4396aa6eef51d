# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What filters share: plain data on the way in, one kind of error on the way out."""

from __future__ import annotations

import functools

from ansible.errors import AnsibleFilterError

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import GpuError
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.manifests import ManifestError
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import WorkloadError


def plain(value):
    """Return plain Python data: templates hand over subclasses of str, dict and list."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def speaking(function):
    """Turn the errors of the pure parts into the one that Ansible shows; their text is meant for people."""
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except (BundleError, GpuError, ManifestError, WorkloadError) as error:
            raise AnsibleFilterError(str(error)) from error
    return wrapper
