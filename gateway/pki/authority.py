"""A small certificate authority on the box: it issues, renews, revokes, and is itself renewed without a gap.

Two authorities are trusted while one follows the other: ``ca.crt`` then holds both, and certificates of both are good, so
that terminals can be changed over one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.errors import UsageError
from gateway.model import rfc3339
from gateway.pki import making
from gateway.pki.making import Kind, Revoked, Signer, Wanted
from gateway.pki.store import Index, Issued, Store

TRUSTED, REVOKED, ISSUED = "ca.crt", "crl.pem", "issued"
GATEWAY = "gateway"
"""The name that the broker's ACL lets read all presses: no terminal can have it."""
_SENSIBLE = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Made:
    """Where a new certificate stands. ``key``: None where it was made elsewhere."""

    name: str
    certificate: Path
    key: Path | None
    ends_at: datetime


class Authority:
    """``directory``: its own. Every method holds its lock and raises UsageError or RunningError with a sentence."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self._store = Store(directory)
        self._now = now.astimezone(UTC).replace(microsecond=0)

    @property
    def directory(self) -> Path:
        return self._store.path

    def create(self, name: str) -> Path:
        """Make it. ``name``: what people read in its certificates."""
        self._check_clock()
        with self._store.held(make=True):
            if self._store.exists():
                raise UsageError(f"{self.directory}: there is an authority already; gateway pki rotate --ca renews it")
            self._new_authority(Index(name, ()))
        return self.directory / TRUSTED

    def issue(
        self, kind: Kind, names: Sequence[str], hosts: Sequence[str], days: int | None, request: Path | None = None
    ) -> list[Made]:
        """The first certificates of these names. ``request``: a signing request of whoever keeps the key, of one name."""
        self._check_clock()
        lifetime = None if days is None else timedelta(days=days)
        with self._store.held():
            index = self._store.index()
            standing = {each.name: each for each in index.issued if self._stands(index, each)}
            once = list(dict.fromkeys(names))  # a second one would overwrite the first one's key
            for name in once:
                if (known := standing.get(name)) is not None:
                    raise UsageError(
                        f"{name} has a certificate ({known.kind}) until {known.ends_at[:10]}; "
                        f"gateway pki rotate {name} makes its next"
                    )
                if kind is Kind.TERMINAL and name == GATEWAY:
                    raise UsageError(f"{name} is the gateway's own name at the broker; no terminal can have it")
            return self._issue(index, [Wanted(kind, name, hosts, lifetime) for name in once], request)

    def without(self, names: Sequence[str]) -> list[str]:
        """Those of the names that have no certificate that is good."""
        index = self._store.index()
        standing = {each.name for each in index.issued if self._stands(index, each)}
        return [name for name in dict.fromkeys(names) if name not in standing]

    def renew(self, name: str, days: int | None, request: Path | None, *, revoke: bool) -> Made:
        """The next certificate of a name, with a new key; the one before stays good until it ends, unless ``revoke``."""
        self._check_clock()
        lifetime = None if days is None else timedelta(days=days)
        with self._store.held():
            index = self._store.index()
            known = self._newest(index, name)
            if known.own_key is (request is not None):
                told = (
                    "has its key elsewhere: give its new request with --csr" if request is None else "has its key here"
                )
                raise UsageError(f"{name} {told}")
            index = self._marked(index, name, revoke=revoke)
            (made,) = self._issue(index, [Wanted(known.kind, name, known.hosts, lifetime)], request)
            if revoke:
                self._write_revocations(self._store.index())
            return made

    def revoke(self, name: str) -> int:
        """All certificates of a name that are good still; how many they were."""
        with self._store.held():
            index = self._store.index()
            self._newest(index, name)
            standing = [each for each in index.issued if each.name == name and self._stands(index, each)]
            changed = self._marked(index, name, revoke=True)
            self._store.save(changed)
            self._write_revocations(changed)
            return len(standing)

    def renew_authority(self) -> Path:
        """A new authority signs from now on; the one before is trusted beside it until ``retire``."""
        self._check_clock()
        with self._store.held():
            index = self._store.index()
            if len(index.authorities) > 1:
                raise UsageError("the authority is being changed already; gateway pki rotate --ca --finish ends that")
            self._new_authority(index)
        return self.directory / TRUSTED

    def retire(self, *, anyway: bool) -> list[str]:
        """Trust the newest authority alone. Refused while certificates of the one before are in use, unless ``anyway``;
        returns the names of those."""
        with self._store.held():
            index = self._store.index()
            if len(index.authorities) < 2:
                raise UsageError("there is one authority only; nothing is left to end")
            old = index.authorities[:-1]
            left = sorted({each.name for each in index.issued if each.issuer in old and self._in_use(index, each)})
            if left and not anyway:
                some = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
                raise UsageError(
                    f"{len(left)} certificates of the authority before are in use still ({some}): "
                    "gateway pki rotate makes their next, --yes lets them go"
                )
            kept = replace(index, authorities=index.authorities[-1:])
            self._store.save(kept)
            self._write_trusted(kept)
            self._write_revocations(kept)
            for serial in old:
                self._store.remove(f"ca-{serial}.key")
            return left

    def issued(self) -> tuple[Index, list[Issued]]:
        """What was issued, by name and then by time."""
        index = self._store.index()
        return index, sorted(index.issued, key=lambda each: (each.name, each.ends_at))

    def state(self, index: Index, each: Issued) -> str:
        """revoked | ended | retired (its authority is trusted no more) | replaced | good."""
        if each.revoked_at is not None:
            return "revoked"
        if self._ended(each):
            return "ended"
        if not self._stands(index, each):
            return "retired"
        return "replaced" if each.replaced_at is not None else "good"

    # ------------------------------------------------------------------------------------------ inside the lock

    def _check_clock(self) -> None:
        if self._now < _SENSIBLE:
            raise UsageError(
                f"this machine's clock says {self._now:%Y-%m-%d}: a certificate made now would be of no use; set the clock first"
            )

    def _issue(self, index: Index, wanted: Sequence[Wanted], request: Path | None) -> list[Made]:
        signer = self._signer(index.authorities[-1])
        if signer.certificate.not_valid_after_utc <= self._now:
            raise UsageError("the authority has ended; gateway pki rotate --ca makes the next")
        signed = [self._signed(signer, each, request) for each in wanted]
        entries = tuple(entry for entry, _, _ in signed)
        # First what was signed is written down: a certificate that nobody knows of could never be revoked.
        self._store.save(replace(index, issued=(*index.issued, *entries)))
        return [self._kept(certificate, key, entry) for entry, certificate, key in signed]

    def _signed(
        self, signer: Signer, wanted: Wanted, request: Path | None
    ) -> tuple[Issued, x509.Certificate, making.Key | None]:
        key = making.new_key() if request is None else None
        public = key.public_key() if key is not None else making.requested_key(_content(request), str(request))
        serial = x509.random_serial_number()
        certificate = making.leaf(signer, wanted, public, serial, self._now)
        entry = Issued(
            name=wanted.name,
            kind=wanted.kind,
            serial=f"{serial:x}",
            issuer=f"{signer.certificate.serial_number:x}",
            ends_at=rfc3339(certificate.not_valid_after_utc),
            hosts=tuple(wanted.hosts),
            own_key=key is not None,
        )
        return entry, certificate, key

    def _kept(self, certificate: x509.Certificate, key: making.Key | None, entry: Issued) -> Made:
        name = f"{ISSUED}/{entry.name}"
        kept = None if key is None else self._store.write(f"{name}.key", making.key_pem(key), secret=True)
        path = self._store.write(f"{name}.crt", making.certificate_pem(certificate), secret=False)
        return Made(entry.name, path, kept, certificate.not_valid_after_utc)

    def _new_authority(self, index: Index) -> None:
        signer = making.authority(index.name, self._now)
        serial = f"{signer.certificate.serial_number:x}"
        self._store.write(f"ca-{serial}.key", making.key_pem(signer.key), secret=True)
        self._store.write(f"ca-{serial}.crt", making.certificate_pem(signer.certificate), secret=False)
        changed = replace(index, authorities=(*index.authorities, serial))
        self._store.save(changed)
        self._write_trusted(changed)
        self._write_revocations(changed)

    def _write_trusted(self, index: Index) -> None:
        """The newest first."""
        parts = [self._store.read(f"ca-{serial}.crt") for serial in reversed(index.authorities)]
        self._store.write(TRUSTED, b"".join(parts), secret=False)

    def _write_revocations(self, index: Index) -> None:
        """One list of each authority: a broker lets nobody in whose authority has none."""
        lists = []
        for serial in index.authorities:
            of_it = [each for each in index.issued if each.issuer == serial and each.revoked_at is not None]
            revoked = [Revoked(int(each.serial, 16), _moment(each.revoked_at)) for each in of_it]
            lists.append(making.revocations(self._signer(serial), revoked, self._now))
        self._store.write(REVOKED, b"".join(lists), secret=False)

    def _signer(self, serial: str) -> Signer:
        try:
            certificate = x509.load_pem_x509_certificate(self._store.read(f"ca-{serial}.crt"))
            key = making.read_key(self._store.read(f"ca-{serial}.key"))
        except (ValueError, TypeError):
            raise UsageError(f"{self.directory}/ca-{serial}: certificate or key cannot be read; restore them") from None
        return Signer(certificate, key)

    def _marked(self, index: Index, name: str, *, revoke: bool) -> Index:
        now = rfc3339(self._now)

        def marked(each: Issued) -> Issued:
            if each.name != name or not self._stands(index, each):
                return each
            return replace(each, replaced_at=each.replaced_at or now, revoked_at=now if revoke else None)

        return replace(index, issued=tuple(marked(each) for each in index.issued))

    def _newest(self, index: Index, name: str) -> Issued:
        found = [each for each in index.issued if each.name == name]
        if not found:
            raise UsageError(f"{name} has no certificate of this authority; gateway pki list names those that have")
        return found[-1]

    def _ended(self, each: Issued) -> bool:
        return _moment(each.ends_at) <= self._now

    def _stands(self, index: Index, each: Issued) -> bool:
        """Whether it lets its holder in: an authority that was retired is trusted by nobody, and no more what it signed."""
        return each.revoked_at is None and not self._ended(each) and each.issuer in index.authorities

    def _in_use(self, index: Index, each: Issued) -> bool:
        return self._stands(index, each) and each.replaced_at is None


def _moment(text: str | None) -> datetime:
    assert text is not None
    return datetime.fromisoformat(text)


def _content(path: Path | None) -> bytes:
    assert path is not None
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
