"""Whether a case bundle is what its node made: every byte, its signature, its lines' links; and the node's own record."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.console.bundle import ALERT, AUDIT, ENTRIES, FORMAT, MANIFEST, SIGNATURE
from gateway.console.bundle_zip import BadArchive, Member, measured_anew, opened
from gateway.console.node_key import fingerprint, is_signed
from gateway.errors import UsageError
from gateway.ledger.audit import next_link, sealed_digest

_MOST_JSON = 64 << 20
_TOLD = ("alert", "node", "node_name", "made_at", "made_by")
_NAME = re.compile(r"(pictures/|clips/)?[A-Za-z0-9_+-][A-Za-z0-9._+-]*")

Links = Callable[[Sequence[int]], Mapping[int, str]]
"""Number → link (hex) of the node's own chain."""


class NotWhole(Exception):
    """The bundle is not what it says, in a sentence without its full stop."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. ``key``: the fingerprint of the key that signed it."""

    alert: str
    node: str
    node_name: str
    made_at: str
    made_by: str
    files: int
    entries: int
    audit: int
    missing: int
    key: str


@dataclass(frozen=True, slots=True)
class Own:
    """The node that the bundle is held against. ``public``: its key, None where it made no bundle yet."""

    node: str
    public: bytes | None
    links: Links


def check(path: Path, own: Own | None = None) -> Checked:
    """Raises NotWhole; UsageError where the file cannot be read, or is another node's than ``own``."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: a case bundle is a file")  # of a pipe the end would be waited for
    try:
        return _check(path, own)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except BadArchive as fault:
        raise NotWhole(f"this is no whole bundle: {fault}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise NotWhole("its contents are not in the form of a bundle") from None


def _check(path: Path, own: Own | None) -> Checked:
    members = {member.name: member for member in opened(path)}
    for name in members:
        if _NAME.fullmatch(name) is None or ".." in name:
            raise NotWhole(f"{name[:60]!r} is no name of a file of a bundle")  # unpacked, it might lie anywhere
    manifest = _signed(members)
    _held_to_the_manifest(members, manifest)
    alert = json.loads(_bytes(members[ALERT]))
    entries, audit = (json.loads(_bytes(members[name])) for name in (ENTRIES, AUDIT))
    lines = [*entries, *audit]
    if alert["id"] != manifest["alert"]:
        raise NotWhole("alert.json is of another alert than the manifest says")
    _held_to_the_chain(lines, manifest["chain"])
    _held_to_its_entries(alert, entries)
    _held_to_its_footage(alert, manifest)
    public = bytes.fromhex(manifest["key"])
    for key in _TOLD:
        if not str(manifest[key]).isprintable():
            raise NotWhole(f"its {key} is no line of text")  # it would write over what is said of it on a terminal
    if own is not None:
        _held_to_the_node(manifest, public, lines, own)
    return Checked(
        manifest["alert"],
        manifest["node"],
        manifest["node_name"],
        manifest["made_at"],
        manifest["made_by"],
        len(members),
        len(entries),
        len(audit),
        len(manifest["missing"]),
        fingerprint(public),
    )


def _signed(members: Mapping[str, Member]) -> dict[str, Any]:
    for name in (MANIFEST, SIGNATURE, ALERT, ENTRIES, AUDIT):
        if name not in members:
            raise NotWhole(f"{name} is missing")
    content = _bytes(members[MANIFEST])
    manifest: dict[str, Any] = json.loads(content)
    if manifest["format"] != FORMAT:
        raise NotWhole("it is of a form that this program does not know")
    if not is_signed(bytes.fromhex(manifest["key"]), _bytes(members[SIGNATURE]), content):
        raise NotWhole("manifest.json was changed: the signature does not hold")
    return manifest


def _held_to_the_manifest(members: Mapping[str, Member], manifest: Mapping[str, Any]) -> None:
    listed = {each["path"]: each for each in manifest["files"]}
    if list(members) != [MANIFEST, SIGNATURE, *listed]:
        raise NotWhole("its files are not those that the manifest names")
    for name, member in members.items():
        found, told = measured_anew(member), listed.get(name)
        if told is not None and (found.size, found.sha256) != (told["bytes"], told["sha256"]):
            raise NotWhole(f"{name} was changed")
        if found.crc != member.crc:
            raise NotWhole(f"{name}: its checksum was changed")


def _held_to_the_chain(lines: Iterable[Mapping[str, Any]], end: Mapping[str, Any]) -> None:
    links: dict[int, str] = {}
    for line in sorted(lines, key=lambda line: int(line["n"])):
        n, what = int(line["n"]), f"line {line['n']} of the chain ({line['kind']} {line['ref']})"
        digest = sealed_digest(bytes.fromhex(line["salt"]), line["text"].encode())
        if digest.hex() != line["digest"]:
            raise NotWhole(f"{what} was changed")
        if next_link(bytes.fromhex(line["previous"]), n, line["kind"], int(line["ref"]), digest).hex() != line["link"]:
            raise NotWhole(f"{what}: the link to the line before does not hold")
        if links.get(n - 1, line["previous"]) != line["previous"]:
            raise NotWhole(f"{what} does not follow the line before it")
        links[n] = line["link"]
    if max(links, default=0) > end["n"] or links.get(end["n"], end["link"]) != end["link"]:
        raise NotWhole("its lines lie behind the end of the chain that the manifest names")


def _held_to_its_entries(alert: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
    sealed = {entry["id"]: entry for line in lines for entry in [json.loads(line["text"].partition("\n")[2])]}
    told = {entry["id"]: entry for entry in alert["entries"]}
    if set(sealed) != set(told) or len(told) != len(alert["entries"]):
        raise NotWhole("alert.json does not tell of the same entries as entries.json")
    for id_, entry in told.items():
        for key in ("at", "node", "actor", "action", "comment"):
            if entry[key] != sealed[id_][key]:
                raise NotWhole(f"entry {id_}: alert.json tells another {key} than was sealed")


def _held_to_its_footage(alert: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Each picture is the very one that the alert's entries named when it was taken."""
    known: dict[tuple[str, str], str] = {}
    for camera in alert["cameras"]:
        for snapshot in camera["snapshots"]:
            known[camera["id"], snapshot["id"]] = snapshot["sha256"]
        if camera["clip"]["url"]:
            known[camera["id"], "clip"] = camera["clip"]["sha256"]
    files = {each["path"]: each["sha256"] for each in manifest["files"]}
    for each in manifest["footage"]:
        named = known.get((each["camera"], "clip" if each["kind"] == "clip" else each["id"]))
        if files.get(each["path"]) != named:
            raise NotWhole(f"{each['path']} is not what the alert names: it was damaged where it was kept")


def _held_to_the_node(manifest: Mapping[str, Any], public: bytes, lines: Sequence[Mapping[str, Any]], own: Own) -> None:
    if manifest["node"] != own.node:
        raise UsageError(f"the bundle was made by node {manifest['node']}; the configuration is that of {own.node}")
    if public != own.public:
        raise NotWhole(f"it is signed with another key ({fingerprint(public)}) than this node's")
    end = manifest["chain"]
    links = {int(line["n"]): line["link"] for line in lines} | ({end["n"]: end["link"]} if end["n"] else {})
    here = own.links(sorted(links))
    for n in sorted(links):
        if n not in here:
            raise NotWhole(
                f"line {n} of the chain is not in this node's ledger: its end was cut off, or it was replaced"
            )
        if here[n] != links[n]:
            raise NotWhole(f"line {n} of the chain is another one in this node's ledger: that was changed since")


def _bytes(member: Member) -> bytes:
    if member.size > _MOST_JSON:
        raise NotWhole(f"{member.name} is too large")
    return b"".join(member.pieces())
