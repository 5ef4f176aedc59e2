"""What people away from the desk are told of an alert: what, who, where, when, and how to answer; in Chinese. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from gateway.model import Alert, Kind, Status

FLOOD = "警情集中"
ANSWER = "请在值班台接警。"
_MOST = 80
_STATUS = {Status.ACTUAL: "警情", Status.TEST: "测试", Status.DRILL: "演练"}
_WHAT_TO_DO = {
    Kind.SOS: "请立即联系求助人，就近前往核实。",
    Kind.FIRE: "请立即核实火情，疏散人员，必要时拨打 119。",
    Kind.MEDICAL: "请立即联系住户，必要时拨打 120。",
    Kind.INTRUSION: "请就近查看，注意安全，必要时拨打 110。",
    Kind.LINE_CROSSING: "请查看现场画面，必要时前往核实。",
    Kind.MOTION: "请查看现场画面，必要时前往核实。",
    Kind.DIGITAL_INPUT: "请立即查看现场画面并核实。",
    Kind.TAMPER: "请到现场检查摄像机。",
    Kind.VIDEO_LOSS: "请检查摄像机及线路。",
    Kind.IMAGE_FAULT: "请检查摄像机画面。",
    Kind.DEVICE_OFFLINE: "请检查设备供电与网络。",
    Kind.REPORT: "请核实上报内容。",
    Kind.OTHER: "请立即核实。",
}
_LEVELS = {"village": "村", "township": "乡镇", "county": "县", "city": "市"}


def headline(alert: Alert) -> str:
    """What kind of alert, without a name: ``title`` is ``what · who``."""
    return _plain(alert.title.split(" · ", 1)[0])


def message(
    alert: Alert, zone: tzinfo, *, full: bool, answer: str = "", escalated: Mapping[str, Any] | None = None
) -> str:
    """``full``: with household, address, phone and position. ``escalated``: the data of the entry that escalates it."""
    return "\n".join(_lines(alert, zone, full, answer, escalated))


def flood(count: int, answer: str = "") -> str:
    return f"【{FLOOD}】过去一分钟另有 {count} 起警情未逐条发送，请立即查看值班台。\n{answer or ANSWER}"


def _lines(alert: Alert, zone: tzinfo, full: bool, answer: str, escalated: Mapping[str, Any] | None) -> Iterator[str]:
    marks = f"【{_STATUS[alert.status]}】" + ("" if escalated is None else "【升级】")
    case = alert.detail.get("case")
    name = f"（{_plain(case['name'])}）" if isinstance(case, Mapping) and isinstance(case.get("name"), str) else ""
    yield f"{marks}{headline(alert)}{name} {alert.severity} 级"
    if escalated is not None:
        yield f"长时间无人处置，已升级{_upwards(escalated.get('to'))}。"
    if full:
        yield from _who_and_where(alert)
    elif alert.place.area_code is not None:
        yield f"区域：{_plain(alert.place.area_code)}"
    late = "（延迟送达：设备早前发出，现在才收到）" if alert.detail.get("late") else ""
    yield f"时间：{_local(alert.raised_at, zone)}{late}"
    if alert.count > 1:
        yield f"已按 {alert.count} 次"
    if alert.status is Status.ACTUAL:
        yield _WHAT_TO_DO[alert.kind]
    yield f"{answer or ANSWER}（{_plain(alert.node)} · {_plain(alert.id[-6:])}）"


def _who_and_where(alert: Alert) -> Iterator[str]:
    household = alert.detail.get("household")
    household = household if isinstance(household, Mapping) else {}
    who = alert.source.name or alert.source.id
    stranger = "" if alert.source.known or alert.source.type != "terminal" else "（未登记的终端）"
    yield f"对象：{_plain(who)}{stranger}"
    if isinstance(household.get("phone"), str):
        yield f"电话：{_plain(household['phone'])}"
    if alert.place.address:
        yield f"地点：{_plain(alert.place.address)}"
    if alert.place.lon is not None and alert.place.lat is not None:
        yield f"坐标：{alert.place.lon:.6f},{alert.place.lat:.6f}（WGS84）"


def _upwards(to: object) -> str:
    level = _LEVELS.get(to) if isinstance(to, str) else None
    return f"至{level}级" if level else ""


def _local(at: datetime, zone: tzinfo) -> str:
    try:
        return at.astimezone(zone).strftime("%m月%d日 %H:%M:%S")
    except OverflowError:
        return at.isoformat()


def _plain(text: str) -> str:
    """On one line, and not longer than a line: names come from other nodes too."""
    return " ".join(text.split())[:_MOST]
