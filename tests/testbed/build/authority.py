"""The bed's certificate authority. The machine and the images trust it, so it lives as long as the cache does."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import cache

RECIPE = Path(__file__)
YEARS_CA = 30
YEARS_LEAF = 10


@dataclass(frozen=True)
class Leaf:
    """A server certificate: `chain` is the leaf and the CA in PEM, `key` its unencrypted PKCS#8 key."""

    chain: Path
    key: Path


@dataclass(frozen=True)
class CA:
    """The authority: `crt` and `key` in PEM; `id` changes when the authority does."""

    crt: Path
    key: Path
    id: str

    def leaf(self, names: list[str]) -> Leaf:
        """A certificate for `names`, DNS names (wildcards too) or IP addresses. The same names give the same leaf."""
        if not names:
            raise ValueError("a leaf certificate needs at least one name")
        wanted = sorted(set(names))
        made = cache.entry("leaf", cache.key(RECIPE, self.id, *wanted), lambda at: _make_leaf(self, wanted, at), False)
        return Leaf(made / "chain.pem", made / "key.pem")


def ca() -> CA:
    """The bed's authority, made on first use."""
    made = cache.entry("ca", cache.key(RECIPE), _make_ca)
    crt = made / "ca.crt"
    return CA(crt, made / "ca.key", cache.key(crt))


def _make_ca(at: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tootstrap test bed CA")])
    public = key.public_key()
    builder = _dated(YEARS_CA).subject_name(name).issuer_name(name).public_key(public)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    (at / "ca.crt").write_bytes(_pem(builder.sign(key, hashes.SHA256())))
    _write_key(at / "ca.key", key)


def _make_leaf(authority: CA, names: list[str], at: Path) -> None:
    issuer = x509.load_pem_x509_certificate(authority.crt.read_bytes())
    issuer_key = serialization.load_pem_private_key(authority.key.read_bytes(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _dated(YEARS_LEAF).issuer_name(issuer.subject).public_key(key.public_key())
    builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tootstrap test bed")]))
    builder = builder.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False  # type: ignore[arg-type]
    )
    (at / "chain.pem").write_bytes(_pem(builder.sign(issuer_key, hashes.SHA256())) + authority.crt.read_bytes())
    _write_key(at / "key.pem", key)


def _dated(years: int) -> x509.CertificateBuilder:
    """Valid from a day ago, so that a machine whose clock is a little behind accepts it."""
    start = datetime.datetime.utcnow() - datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return builder.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=365 * years))


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
