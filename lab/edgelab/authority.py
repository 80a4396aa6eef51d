"""The lab's own certificate authority, made with openssl, valid only for the lab's mirrors."""

from pathlib import Path

from edgelab import paths
from edgelab.process import run

_DAYS = 3650


def ensure() -> Path:
    """Make the CA once; returns its certificate."""
    folder = paths.STATE / "ca"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if not certificate.exists():
        _key(key)
        run(
            [
                "openssl",
                "req",
                "-x509",
                "-new",
                "-key",
                key,
                "-sha256",
                "-days",
                _DAYS,
                "-subj",
                "/CN=edgeai lab CA",
                "-out",
                certificate,
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
            ]
        )
    return certificate


def server(folder: Path, address: str) -> tuple[Path, Path]:
    """Certificate and key for a server at an IP address, made once per address below `folder`."""
    authority = ensure()
    certificate, key = folder / f"{address}.crt", folder / f"{address}.key"
    if not _issued_by(authority, certificate):
        folder.mkdir(parents=True, exist_ok=True)
        _key(key)
        request = run(["openssl", "req", "-new", "-key", key, "-subj", f"/CN={address}"]).stdout
        extensions = folder / "extensions.cnf"
        extensions.write_text(
            f"subjectAltName=IP:{address}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        run(
            [
                "openssl",
                "x509",
                "-req",
                "-sha256",
                "-days",
                _DAYS,
                "-CA",
                authority,
                "-CAkey",
                authority.with_suffix(".key"),
                "-CAcreateserial",
                "-extfile",
                extensions,
                "-out",
                certificate,
            ],
            input=request,
        )
        extensions.unlink()
    return certificate, key


def _issued_by(authority: Path, certificate: Path) -> bool:
    return (
        certificate.exists()
        and run(["openssl", "verify", "-CAfile", authority, certificate], check=False).returncode == 0
    )


def _key(path: Path) -> None:
    path.touch(mode=0o600)
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path])
    path.chmod(0o600)
