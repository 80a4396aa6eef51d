#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Build or update a bundle from a lock file
version_added: 0.1.0
author:
  - edgeai.sites contributors (@edgeai)
description:
  - Collects what a fleet needs, for its architectures and nothing else, in one directory from which all hosts are
    served. The directory is an OCI image layout with C(bundle.json) beside it.
  - Every file is checked against the checksum file of its source and against the pin in the lock file before it
    becomes part of the bundle. Interrupted downloads are continued.
  - A bundle whose artifacts are all pinned and present is verified without any network access.
  - Runs on the controller.
attributes:
  check_mode:
    support: full
    description: Reads checksum files from the source; writes nothing.
  diff_mode:
    support: full
    description: Shows the artifacts before and after.
  idempotent:
    support: full
    description: Artifacts that are there with their checksum are kept.
options:
  lock:
    description: Lock file with exact versions.
    type: path
    required: true
  dest:
    description: Bundle directory. It must be absent, empty or a bundle - blobs that are not listed are removed.
    type: path
    required: true
  source:
    description:
      - Release mirror, as an https address or an absolute path.
      - Without it K3s comes from its upstream releases. Everything else needs a source, here or in the lock file.
    type: str
  ca_file:
    description: PEM file with the certificate authority of the mirror.
    type: path
  architectures:
    description: Architectures of the fleet.
    type: list
    elements: str
    choices: [amd64, arm64, arm]
    required: true
  timeout:
    description: Seconds without a byte before an attempt to read ends. There are four attempts.
    type: int
    default: 30
  deadline:
    description: Seconds for all downloads together.
    type: int
    default: 3600
requirements:
  - PyYAML on the controller
seealso:
  - module: edgeai.sites.artifacts
"""

EXAMPLES = r"""
- name: Build the bundle of an x86 and Jetson fleet from upstream releases
  edgeai.sites.bundle:
    lock: bundle.lock.yml
    dest: ~/.edgeai/bundle
    architectures: [amd64, arm64]

- name: Build it from the company's mirror
  edgeai.sites.bundle:
    lock: bundle.lock.yml
    dest: ~/.edgeai/bundle
    architectures: [amd64]
    source: https://mirror.example:8443
    ca_file: /etc/ssl/company-ca.pem
"""

RETURN = r"""
artifacts:
  description: Everything that the bundle holds.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the artifact.
      type: str
    kind:
      description: Kind - C(k3s-binary), C(k3s-images), C(image), C(binary), C(manifest), C(deb) or C(rpm).
      type: str
    version:
      description: Exact version.
      type: str
    arch:
      description: Architecture; C(any) for a manifest.
      type: str
    file_name:
      description: File name.
      type: str
    sha256:
      description: SHA-256 of the file.
      type: str
    action:
      description: What happened to it - C(kept) or C(fetched).
      type: str
    bytes_fetched:
      description: Bytes that came from the source in this run. Less than the file if a download was continued.
      type: int
removed:
  description: SHA-256 of the blobs that nothing refers to any more.
  returned: success
  type: list
  elements: str
bytes_fetched:
  description: Bytes that came from the source in this run.
  returned: success
  type: int
manifest:
  description: Path of C(bundle.json).
  returned: success
  type: str
"""

import os
import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import MANIFEST_NAME
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.build import Builder
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.download import Downloader, build_opener
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.lock import MAX_BYTES, parse_lock
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import ARCHITECTURES, check_source
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.plan import wanted
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.store import Store

try:
    import yaml
except ImportError:
    HAS_YAML = False
    YAML_IMPORT_ERROR = traceback.format_exc()
else:
    HAS_YAML = True
    YAML_IMPORT_ERROR = None


def read_lock(path):
    """Return the Lock in the YAML file ``path``."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise BundleError("%s is too large" % path, wanted="at most %d bytes" % MAX_BYTES)
        return parse_lock(yaml.safe_load(data))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BundleError("cannot read the lock file %s" % path, found=str(error))


def run(params, check_mode):
    """Build the bundle and return the result."""
    source = check_source(params["source"]) if params["source"] else None
    wants = wanted(read_lock(params["lock"]), params["architectures"], source)
    downloader = Downloader(build_opener(params["ca_file"]), params["timeout"], params["deadline"])
    result = Builder(Store(params["dest"]), downloader, check_mode).run(wants)
    return dict(result, manifest=os.path.join(params["dest"], MANIFEST_NAME))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            lock=dict(type="path", required=True),
            dest=dict(type="path", required=True),
            source=dict(type="str"),
            ca_file=dict(type="path"),
            architectures=dict(type="list", elements="str", choices=list(ARCHITECTURES), required=True),
            timeout=dict(type="int", default=30),
            deadline=dict(type="int", default=3600),
        ),
        supports_check_mode=True,
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_IMPORT_ERROR)
    try:
        module.exit_json(**run(module.params, module.check_mode))
    except BundleError as error:
        module.fail_json(msg=error.text())
    except OSError as error:
        module.fail_json(msg="cannot build the bundle: %s. Correct the cause and run again; what arrived is kept." % error)


if __name__ == "__main__":
    main()
