"""When a file of certificates ends."""

from datetime import datetime
from pathlib import Path

from cryptography import x509

from gateway.errors import UsageError


def certificates_of(path: Path) -> list[x509.Certificate]:
    """All that stand in a PEM file, in their order. Raises UsageError with a sentence."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise UsageError(f"{path}: no certificate in PEM form stands in it") from None


def ends_at(path: Path) -> datetime:
    """When the file stops being of use: a chain with the first of it that ends, authorities with the last. Raises UsageError."""
    found = certificates_of(path)
    try:
        ends = [each.not_valid_after_utc for each in found]
        return max(ends) if all(_is_authority(each) for each in found) else min(ends)
    except (ValueError, x509.DuplicateExtension):
        raise UsageError(f"{path}: a certificate in it is malformed") from None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
