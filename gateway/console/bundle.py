"""A case bundle: everything about an alert in one archive, signed, to be handed on and checked without the node.

manifest.json    who made it when and why, the SHA-256 of every file, the newest end of the node's hash chain
manifest.sig     the node's signature of manifest.json (Ed25519, 64 bytes)
README.txt       what this is
alert.json       the alert as the API tells it
entries.json     its entries as they were sealed, each with its link of the hash chain
audit.json       the lines of the audit that name it, likewise: who looked at it
pictures/ clips/ what its cameras saw
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.console.bundle_zip import MOST_BYTES, MOST_FILES, Member, measured, size_of
from gateway.console.node_key import NodeKey
from gateway.errors import UsageError
from gateway.model import rfc3339
from gateway.ports import SealedLine

FORMAT = "gateway.bundle.v1"
MANIFEST, SIGNATURE, README = "manifest.json", "manifest.sig", "README.txt"
ALERT, ENTRIES, AUDIT = "alert.json", "entries.json", "audit.json"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_TOLD = """\
报警案卷 · Case bundle

alert.json 报警全貌；entries.json 处置记录；audit.json 谁看过、谁导出过；pictures/ 图片；clips/ 录像。
manifest.json 列出每个文件的 SHA-256，manifest.sig 是本节点的签名：改动任何一个字节都会被发现。
校验：gateway audit verify 本文件.zip    在出具节点上加 -c 配置文件，可与该节点的记录链核对。

The alert, its entries, who looked at it, its pictures and clips. manifest.json names the SHA-256 of every file and
manifest.sig is the node's signature of it: no byte can be changed unseen.
Check it: gateway audit verify BUNDLE.zip    On the node that made it, -c FILE holds it against that node's own record.
"""


@dataclass(frozen=True, slots=True)
class Footage:
    """A picture or a clip that is to go in; ``path``: where it lies, None where it is not here. ``offset_ms``: from the press."""

    camera: str
    id: str
    kind: str  # picture | clip
    sha256: str
    path: Path | None
    offset_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What a bundle is made of, of one moment. ``chain``: the newest end (number, link in hex)."""

    alert: Mapping[str, Any]
    entries: Sequence[SealedLine]
    audit: Sequence[SealedLine]
    chain: tuple[int, str]
    footage: Sequence[Footage] = ()
    made: Mapping[str, Any] = field(default_factory=dict)  # node, at, by, reason


def bundle(case: Case, key: NodeKey) -> list[Member]:
    """The archive's files in their order. Blocks: reads all footage once. Raises UsageError where it is too large,
    StoreFailed for the key, OSError."""
    members = [
        measured(README, _TOLD.encode()),
        measured(ALERT, as_json(case.alert)),
        measured(ENTRIES, as_json([asdict(line) for line in case.entries])),
        measured(AUDIT, as_json([asdict(line) for line in case.audit])),
    ]
    shown: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for number, each in enumerate(case.footage, 1):
        told = {"camera": each.camera, "id": each.id, "kind": each.kind, "offset_ms": each.offset_ms}
        if each.path is None:
            missing.append(told)
            continue
        member = measured(_name(number, each), each.path)
        members.append(member)
        shown.append({"path": member.name, **told})
    manifest = {
        "format": FORMAT,
        "alert": case.alert["id"],
        **case.made,
        "chain": {"n": case.chain[0], "link": case.chain[1]},
        "key": key.public().hex(),
        "files": [{"path": each.name, "bytes": each.size, "sha256": each.sha256} for each in members],
        "footage": shown,
        "missing": missing,
    }
    content = as_json(manifest)
    whole = [measured(MANIFEST, content), measured(SIGNATURE, key.sign(content)), *members]
    if size_of(whole) > MOST_BYTES or len(whole) > MOST_FILES:
        raise UsageError(f"the bundle would be larger than {MOST_BYTES >> 30} GiB")
    return whole


def made(node: str, name: str, at: datetime, by: str, reason: str | None) -> dict[str, Any]:
    return {"node": node, "node_name": name, "made_at": rfc3339(at), "made_by": by, "reason": reason}


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def _name(number: int, footage: Footage) -> str:
    """In the order of the alert; ids of other nodes are no names of files."""
    folder, ending = ("clips", "mp4") if footage.kind == "clip" else ("pictures", "jpg")
    camera = _UNSAFE.sub("_", footage.camera).strip(".")[:80]
    moment = "" if footage.offset_ms is None else f"_{footage.offset_ms:+d}ms"
    return f"{folder}/{number:03d}_{camera}{moment}.{ending}"
