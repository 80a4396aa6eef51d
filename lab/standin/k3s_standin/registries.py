"""/etc/rancher/k3s/registries.yaml: K3s reads it when an agent gets its configuration."""

from __future__ import annotations

from pathlib import Path

import yaml

from standin_common import log
from .config import ConfigError, yaml_problem

DEFAULT = "/etc/rancher/k3s/registries.yaml"


def load(settings):
    """The settings as a dict. ConfigError where the file is no YAML."""
    path = Path(settings.text("private-registry", DEFAULT))
    if not path.is_file():
        return {}
    log.info(f"Using private registry config file at {path}")
    try:
        return yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as problem:
        raise ConfigError(yaml_problem(problem)) from None
