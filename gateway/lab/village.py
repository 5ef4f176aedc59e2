"""The invented township of the lab: its cameras and households, as the configuration writes them."""

import itertools
from typing import Any

from gateway.lab.cameras import path, scene_of
from gateway.model import Scene

TOWNSHIP = {"id": "zhuyang", "name": "竹阳街道综治中心", "level": "township", "area_code": "511724001"}
COUNTY = {"id": "dazhu", "name": "大竹县综治中心", "level": "county", "area_code": "511724"}

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
    return [_camera(number, rtsp_port) for number in range(1, count + 1)]


def _camera(number: int, rtsp_port: int) -> dict[str, Any]:
    scene, round_number = scene_of(number), (number - 1) // len(_ORDER)
    lon, lat, address, area = _CORNERS[scene]
    base = f"rtsp://127.0.0.1:{rtsp_port}"
    return {
        "id": f"5117240000131{number:07d}",
        "name": _CAMERA_NAMES[scene] + (f"{round_number + 1}" if round_number else ""),
        "scene": scene.value,
        "place": {"lon": lon + 0.0004 * round_number, "lat": lat, "address": address, "area_code": area},
        "rtsp": {"main": base + path(number, "main"), "sub": base + path(number, "sub")},
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
