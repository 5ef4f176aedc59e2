"""How severe a signal is: 1 (highest) to 4, by kind: the configuration's word, then the taxonomy's, then the contract's
defaults."""

from collections.abc import Mapping
from typing import Any

from gateway.model import Kind

LOWEST = 4
DEFAULTS: Mapping[Kind, int] = {
    Kind.SOS: 1,
    Kind.FIRE: 1,
    Kind.MEDICAL: 1,
    Kind.INTRUSION: 2,
    Kind.DIGITAL_INPUT: 2,
    Kind.TAMPER: 3,
    Kind.VIDEO_LOSS: 3,
    Kind.DEVICE_OFFLINE: 3,
    Kind.LINE_CROSSING: 3,
}

_NAMES: Mapping[Kind, str] = {
    Kind.SOS: "一键求助",
    Kind.FIRE: "火情",
    Kind.MEDICAL: "医疗求助",
    Kind.INTRUSION: "入侵",
    Kind.MOTION: "移动侦测",
    Kind.LINE_CROSSING: "越线",
    Kind.TAMPER: "遮挡或破坏",
    Kind.DIGITAL_INPUT: "开关量报警",
    Kind.VIDEO_LOSS: "视频丢失",
    Kind.IMAGE_FAULT: "图像异常",
    Kind.DEVICE_OFFLINE: "设备离线",
    Kind.REPORT: "群众上报",
    Kind.OTHER: "其他求助",
}


def severity(kind: Kind, overrides: Mapping[Kind, int], case: Mapping[str, Any] | None = None) -> int:
    """``case``: as the taxonomy gives it (``Taxonomy.case_of``); its grade is the severity unless the kind is graded."""
    usual = DEFAULTS.get(kind, LOWEST) if case is None else int(case["grade"])
    return overrides.get(kind, usual)


def title(kind: Kind, source: str, names: Mapping[Kind, str] = _NAMES) -> str:
    """The alert's headline: what, and from whom. ``names`` go before the usual ones."""
    return f"{names.get(kind, _NAMES[kind])} · {source}"
