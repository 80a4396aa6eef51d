"""This machine's own APT sources: the lab downloads packages from where the machine's administrator lets it."""

import re
from dataclasses import dataclass
from pathlib import Path

from edgelab.process import run

_DEFAULT = "http://deb.debian.org/debian"
_DEFAULT_SECURITY = "http://deb.debian.org/debian-security"
# Options that decide whether packages can be fetched at all; nothing else of this machine is copied to the hosts.
_OPTIONS = re.compile(r"Acquire::(Check-Valid-Until|Check-Date|https?::Proxy|https?::Verify-Peer)\b")


@dataclass(frozen=True)
class Source:
    """One line of APT sources."""

    uri: str
    suite: str
    components: tuple[str, ...]


@dataclass(frozen=True)
class Apt:
    """What is needed to fetch Debian packages like this machine does."""

    mirror: str
    security: str
    proxy: str
    options: tuple[str, ...]

    def sources(self, suite: str) -> str:
        """Content of a sources.list for `suite`."""
        return (
            f"deb {self.mirror} {suite} main\n"
            f"deb {self.mirror} {suite}-updates main\n"
            f"deb {self.security} {suite}-security main\n"
        )


def parse_sources(texts) -> list[Source]:
    """Sources from the contents of sources.list files, one-line and deb822 mixed."""
    found = []
    for text in texts:
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        for line in lines:
            match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s*(.*)", line)
            if match:
                found.append(Source(match[1].rstrip("/"), match[2], tuple(match[3].split())))
        for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.M))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
                found += [
                    Source(uri.rstrip("/"), suite, tuple(fields.get("Components", "").split()))
                    for uri in fields.get("URIs", "").split()
                    for suite in fields.get("Suites", "").split()
                ]
    return found


def choose(sources, suite: str) -> tuple[str, str]:
    """The mirror and the security mirror for `suite`; Debian's own where this machine runs another release."""

    def first(wanted, default):
        uris = [source.uri for source in sources if source.suite == wanted and "main" in source.components]
        return next((uri for uri in uris if uri.startswith(("http://", "https://"))), default)

    return first(suite, _DEFAULT), first(f"{suite}-security", _DEFAULT_SECURITY)


def of_this_machine(suite: str, root: Path = Path("/etc/apt")) -> Apt:
    """Read the APT configuration of this machine."""
    files = [
        root / "sources.list",
        *sorted((root / "sources.list.d").glob("*.list")),
        *sorted((root / "sources.list.d").glob("*.sources")),
    ]
    mirror, security = choose(parse_sources(path.read_text() for path in files if path.is_file()), suite)
    dump = run(["apt-config", "dump"]).stdout.splitlines()
    options = tuple(line for line in dump if _OPTIONS.match(line) and not line.endswith('"";'))
    proxy = next((line.split('"')[1] for line in options if line.startswith("Acquire::http::Proxy ")), "")
    return Apt(mirror, security, proxy, options)
