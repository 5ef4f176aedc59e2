"""The register of viewings (调阅登记): who looked at what, when, from where and why, out of the audit.

公共安全视频图像信息系统管理条例, Article 16: every viewing and retrieval with its reason, the person and the unit.
"""

from collections.abc import Mapping, Sequence

from gateway.model import rfc3339
from gateway.ports import AuditRecord
from gateway.upkeep.workbook import Sheet

VIEWINGS = (
    "view_camera",
    "view_snapshot",
    "view_clip",
    "view_evidence",
    "export_bundle",
    "export_masked",
    "turn_camera",
)
"""What of the audit is a viewing or a retrieval."""

_HEADER = ("序号", "时间 (UTC)", "人员", "单位", "方式", "对象", "点位或警情", "来源地址", "事由", "备注")
_WIDTHS = (8, 24, 16, 24, 14, 44, 30, 18, 40, 40)
_WORDS: Mapping[str, str] = {
    "view_camera": "实时查看",
    "view_snapshot": "查看图片",
    "view_clip": "回放录像",
    "view_evidence": "查看诊断图片",
    "export_bundle": "导出案卷",
    "export_masked": "遮挡导出",
    "turn_camera": "云台控制",
}


def register(lines: Sequence[AuditRecord], units: Mapping[str, str], names: Mapping[str, str], own: str) -> Sheet:
    """``units``: of users, by name; ``names``: of cameras and alerts, by what the audit calls them; ``own``: this node, the unit
    of everybody else. The oldest first."""
    rows = [
        (
            number,
            rfc3339(line.at),
            line.actor,
            _unit(line.actor, units, own),
            _WORDS.get(line.action, line.action),
            line.object,
            names.get(subject(line.object), ""),
            str(line.detail.get("address", "")),
            line.reason or "",
            str(line.detail.get("detail", "")),
        )
        for number, line in enumerate(sorted(lines, key=lambda line: line.id), 1)
    ]
    return Sheet("调阅登记", _HEADER, rows, _WIDTHS)


def subject(object_: str) -> str:
    """What an audited object lies in: ``alerts/ID`` of ``alerts/ID/snapshots/S``."""
    return "/".join(object_.split("/")[:2])


def _unit(actor: str, units: Mapping[str, str], own: str) -> str:
    node, mark, _ = actor.partition("/")  # somebody of a node above
    return f"上级节点 {node}" if mark else units.get(actor, own)
