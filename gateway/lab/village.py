"""The invented township of the lab: its cameras and households, as the configuration writes them."""

import itertools
from typing import Any

from gateway.lab.cameras import SCENES, path, scene_of
from gateway.model import Scene

TOWNSHIP = {"id": "zhuyang", "name": "竹阳街道综治中心", "level": "township", "area_code": "511724001"}
COUNTY = {"id": "dazhu", "name": "大竹县综治中心", "level": "county", "area_code": "511724"}

TAXONOMY: dict[str, Any] = {
    "classes": [
        {"code": "01", "name": "公共安全", "subclasses": [
            {"code": "0101", "name": "入侵与翻越", "grade": 2, "department": "派出所", "kinds": ["intrusion"], "limits": {"register": "1m", "dispatch": "5m", "close": "2h"}},
            {"code": "0102", "name": "越线与逗留", "grade": 3, "department": "派出所", "kinds": ["line_crossing"], "limits": {"register": "5m", "dispatch": "20m", "close": "4h"}},
            {"code": "0104", "name": "联动输入报警", "grade": 2, "department": "派出所", "kinds": ["digital_input"], "limits": {"register": "1m", "dispatch": "5m", "close": "2h"}},
        ]},
        {"code": "02", "name": "家庭求助", "subclasses": [
            {"code": "0201", "name": "一键求助", "grade": 1, "department": "综治中心", "kinds": ["sos"], "limits": {"register": "1m", "dispatch": "3m", "close": "1h"}},
            {"code": "0301", "name": "火情报警", "grade": 1, "department": "消防救援站", "kinds": ["fire"], "limits": {"register": "1m", "dispatch": "2m", "close": "4h"}},
            {"code": "0401", "name": "突发疾病", "grade": 1, "department": "卫生院", "kinds": ["medical"], "limits": {"register": "1m", "dispatch": "2m", "close": "2h"}},
        ]},
    ]
}  # fmt: skip
"""What the demo needs of configs/taxonomy.yaml."""

_CAMERA_NAMES = {Scene.STREET: "十字口东", Scene.RURAL: "田家湾村道", Scene.VILLAGE: "白塔村口"}
# Close enough to each other (300 m) that every household has two cameras in reach of the default linking.
_CORNERS = {
    Scene.STREET: (107.2043, 30.7361, "竹阳街道十字口", "511724001001"),
    Scene.RURAL: (107.2069, 30.7377, "竹阳街道田家湾村", "511724001204"),
    Scene.VILLAGE: (107.2020, 30.7342, "竹阳街道白塔村", "511724001207"),
}
_FAMILIES = ("王秀英", "李国华", "张桂兰", "陈建国", "刘玉珍", "杨德明", "周淑芬", "赵永福", "吴素琼", "徐光荣")
_ORDER = (Scene.STREET, Scene.VILLAGE, Scene.RURAL)


def camera_settings(count: int, rtsp_port: int) -> list[dict[str, Any]]:
    """``count`` cameras, each beside its scene's corner."""
    return [_camera(number) | {"rtsp": _streams(number, rtsp_port)} for number in range(1, count + 1)]


def onvif_settings(number: int, host: str, port: int, identity: str) -> dict[str, Any]:
    """Camera ``number`` as an ONVIF device, which names its streams itself."""
    return _camera(number) | {"onvif": {"host": host, "port": port, "identity": identity}}


def camera_id(number: int) -> str:
    return f"5117240000131{number:07d}"


def camera_name(number: int) -> str:
    """The name of its scene's place, numbered where it is not the first there."""
    round_number = (number - 1) // len(SCENES)
    return _CAMERA_NAMES[scene_of(number)] + (f"{round_number + 1}" if round_number else "")


def _streams(number: int, rtsp_port: int) -> dict[str, str]:
    base = f"rtsp://127.0.0.1:{rtsp_port}"
    return {"main": base + path(number, "main"), "sub": base + path(number, "sub")}


def _camera(number: int) -> dict[str, Any]:
    scene, round_number = scene_of(number), (number - 1) // len(SCENES)
    lon, lat, address, area = _CORNERS[scene]
    return {
        "id": camera_id(number),
        "name": camera_name(number),
        "scene": scene.value,
        "place": {"lon": lon + 0.0004 * round_number, "lat": lat, "address": address, "area_code": area},
    }


def terminal_settings(count: int) -> list[dict[str, Any]]:
    """``count`` households with a television, spread over the three places. The telephone numbers are no one's."""
    families = itertools.cycle(_FAMILIES)
    return [_terminal(number, family) for number, family in zip(range(1, count + 1), families, strict=False)]


def _terminal(number: int, family: str) -> dict[str, Any]:
    scene = _ORDER[(number - 1) % len(_ORDER)]
    lon, lat, address, area = _CORNERS[scene]
    group, door = (number - 1) // len(_ORDER) % 9 + 1, 3 + number * 7 % 90
    return {
        "id": f"tv-{number:04d}",
        "household": {"name": family, "phone": f"0000-{number:07d}", "address": f"{address}{group}组{door}号"},
        "place": {
            "lon": round(lon + 0.0003 * (number % 5 - 2), 6),
            "lat": round(lat + 0.0002 * (number % 3 - 1), 6),
            "address": f"{address}{group}组{door}号",
            "area_code": area,
        },
    }
