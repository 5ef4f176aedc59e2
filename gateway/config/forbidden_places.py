"""Places where the law wants no camera: 公共安全视频图像信息系统管理条例 (State Council Decree 799), Article 8.

It forbids the inside of guest rooms and private rooms of hotels and restaurants, of rooms where pupils or staff live or
rest, and of public bathrooms, toilets, and changing, fitting and nursing rooms. Pure.
"""

import re

_NAMES = {
    "a guest room or private room": (
        r"客房|包间|包厢|钟点房|民宿房间",
        r"(guest|hotel|motel|inn|karaoke|ktv) ?rooms?|private (dining )?rooms?",
    ),
    "a room where pupils or staff live or rest": (
        # 宿舍楼, 宿舍区 are buildings and their surroundings, not rooms.
        r"宿舍(?!楼|区|院|大|管)|寝室(?!楼|区)|(?:员工|职工|值班|学生)休息室|午休室",
        r"dorm(itory)?( ?rooms?)?|dormitories|staff (bed|rest|sleeping) ?rooms?|sleeping rooms?|bunk ?rooms?",
    ),
    "a bathroom or toilet": (
        r"浴室|澡堂|浴池|淋浴|洗澡间|卫生间|洗手间|盥洗室|厕所|公厕",
        r"bath ?(rooms?|houses?)|showers?( ?rooms?)?|toilets?|rest ?rooms?|wash ?rooms?|lavator(y|ies)|wc",
    ),
    "a changing or fitting room": (
        r"更衣|试衣|化妆间",
        r"(changing|locker|fitting|dressing) ?rooms?",
    ),
    "a nursing room": (
        r"哺乳|母婴[室间]",
        r"(nursing|lactation|breast ?feeding|baby ?care) ?rooms?",
    ),
}
_PATTERNS = tuple((what, re.compile(rf"{chinese}|\b({english})\b")) for what, (chinese, english) in _NAMES.items())
_OUTSIDE = re.compile(
    r"门口|门前|门外|大门|外[面侧墙]?|走廊|过道|楼道|通道|入口|出口|前[面侧]|旁|附近|对面|[东南西北]侧|路口?|街|广场"
    r"|\b(outside|outdoors?|entrance|exit|gate|door(way)?|corridor|hall(way)?|lobby|road|street|in front of|near"
    r"|opposite|dormitory (building|block|yard))\b"
)
_LONGEST = 64


def refusal(name: str, place_type: str | None = None) -> str | None:
    """Why no camera may stand there, as a sentence; None where nothing speaks against it.

    ``place_type`` is what the owner states and decides. A name is only a hint: it counts where no type is stated, and not
    where it says that the camera stands before the place. An address names buildings, not rooms, and is not looked at.
    """
    if place_type is not None and place_type.strip():
        found = forbidden(place_type)
        return None if found is None else f"{_law(found)}; place.type says “{_short(place_type)}”"
    found = None if _OUTSIDE.search(_folded(name)) else forbidden(name)
    if found is None:
        return None
    return (
        f"{_law(found)}, and the name “{_short(name)}” sounds like one; if the camera stands elsewhere, say where in "
        "place.type, such as corridor or entrance"
    )


def forbidden(words: str) -> str | None:
    """Which of the law's places these words name, in Chinese or English; None for none."""
    folded = _folded(words)
    return next((what for what, pattern in _PATTERNS if pattern.search(folded)), None)


def _folded(words: str) -> str:
    return re.sub(r"[\s_\-./]+", " ", words[:256].casefold())


def _short(words: str) -> str:
    return words.strip()[:_LONGEST]


def _law(what: str) -> str:
    return f"no camera may stand inside {what} (公共安全视频图像信息系统管理条例, Article 8)"
