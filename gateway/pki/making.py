"""Keys, certificates and revocation lists, as X.509 wants them (RFC 5280). Pure but for the keys' randomness.

EC P-256 throughout: what set-top boxes of ten years ago can still verify, and quick to make.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import UsageError
from gateway.pki.hosts import dns_name

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

AUTHORITY_FOR = timedelta(days=3650)
_BACKDATED = timedelta(days=2)  # clocks of devices are behind by hours, and a certificate of tomorrow is refused
_FEWEST_RSA_BITS = 2048


class Kind(StrEnum):
    """Whom a certificate is for."""

    SERVER = "server"
    TERMINAL = "terminal"
    NODE = "node"


LIFETIMES = {
    Kind.SERVER: timedelta(days=825),
    Kind.TERMINAL: timedelta(days=1825),
    Kind.NODE: timedelta(days=825),
}
_USAGES = {
    Kind.SERVER: [ExtendedKeyUsageOID.SERVER_AUTH],
    Kind.TERMINAL: [ExtendedKeyUsageOID.CLIENT_AUTH],
    Kind.NODE: [ExtendedKeyUsageOID.CLIENT_AUTH],
}


@dataclass(frozen=True, slots=True)
class Signer:
    """An authority that can sign."""

    certificate: x509.Certificate
    key: Key


@dataclass(frozen=True, slots=True)
class Wanted:
    """``name``: the certificate's common name. ``hosts``: names and addresses that a server answers at."""

    kind: Kind
    name: str
    hosts: Sequence[str] = ()
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Revoked:
    serial: int
    at: datetime


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def read_key(content: bytes) -> Key:
    """Raises ValueError for what is no EC key."""
    key = load_pem_private_key(content, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("no EC key")
    return key


def authority(name: str, now: datetime) -> Signer:
    """A new authority that signs itself; the serial is part of its name, so that two in a row are told apart."""
    key, serial = new_key(), x509.random_serial_number()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {serial % 2**32:08x}")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates and lists
    made = (
        _builder(subject, subject, key.public_key(), serial, now, AUTHORITY_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Signer(made, key)


def leaf(signer: Signer, wanted: Wanted, public: PublicKey, serial: int, now: datetime) -> x509.Certificate:
    """Never valid for longer than the authority that signs it."""
    left = signer.certificate.not_valid_after_utc - now
    lifetime = min(wanted.lifetime or LIFETIMES[wanted.kind], left)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.name)])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    made = (
        _builder(subject, signer.certificate.subject, public, serial, now, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(_USAGES[wanted.kind]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(identifier, critical=False)
    )
    if wanted.hosts:
        names = x509.SubjectAlternativeName([general_name(host) for host in wanted.hosts])
        made = made.add_extension(names, critical=False)
    return made.sign(signer.key, hashes.SHA256())


def revocations(signer: Signer, revoked: Iterable[Revoked], now: datetime) -> bytes:
    """The list of one authority, PEM. It is good for as long as the authority: a broker whose list has run out lets nobody
    in, and nobody visits a box once a month to renew one."""
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.certificate.subject)
        .last_update(now - _BACKDATED)
        .next_update(signer.certificate.not_valid_after_utc)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.serial).revocation_date(each.at).build()
        made = made.add_revoked_certificate(entry)
    return made.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def requested_key(content: bytes, where: str) -> PublicKey:
    """The public key of a signing request (PKCS #10, PEM) that its maker holds. Raises UsageError."""
    try:
        request = x509.load_pem_x509_csr(content)
    except ValueError:
        raise UsageError(f"{where}: this is no signing request in PEM form") from None
    if not request.is_signature_valid:
        raise UsageError(f"{where}: the request is not signed with its own key; have it made anew")
    public = request.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _FEWEST_RSA_BITS:
        return public
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1 | ec.SECP384R1):
        return public
    raise UsageError(
        f"{where}: its key is of a kind that is not taken; EC P-256, P-384 or RSA from {_FEWEST_RSA_BITS} bits is"
    )


def general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(dns_name(host))


def _builder(
    subject: x509.Name, issuer: x509.Name, public: PublicKey, serial: int, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    begins = (now - _BACKDATED).astimezone(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after((now + lifetime).astimezone(UTC))
    )
