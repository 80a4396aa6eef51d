"""Where the lab keeps things. Everything it writes is below `.lab/` of the repository and ignored by git."""

import os
from pathlib import Path

LAB = Path(__file__).resolve().parent.parent
REPOSITORY = LAB.parent
STATE = Path(os.environ.get("EDGEAI_LAB_STATE", REPOSITORY / ".lab"))

SSH = STATE / "ssh"
SSH_KEY = SSH / "id_ed25519"
KNOWN_HOSTS = SSH / "known_hosts"
CACHE = STATE / "cache"
MIRROR = STATE / "mirror"


def instance(network: str) -> Path:
    """Directory with the state of one lab instance."""
    return STATE / network
