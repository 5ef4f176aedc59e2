"""Ids and area codes of the field, looked at part by part: what is wrong is said of the part that is wrong. Pure.

An id of twenty digits is one of GB/T 28181-2022 annex D (code rule A): digits 1–8 the centre (province, city, county,
basic unit), 9–10 the trade, 11–13 the type, 14 the network, 15–20 the sequence. An area code is GB/T 2260 (six digits) with
three of the township and three of the village behind it, as the statistical office gives them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

PROVINCES = MappingProxyType(
    {
        "11": "北京", "12": "天津", "13": "河北", "14": "山西", "15": "内蒙古", "21": "辽宁", "22": "吉林", "23": "黑龙江",
        "31": "上海", "32": "江苏", "33": "浙江", "34": "安徽", "35": "福建", "36": "江西", "37": "山东", "41": "河南",
        "42": "湖北", "43": "湖南", "44": "广东", "45": "广西", "46": "海南", "50": "重庆", "51": "四川", "52": "贵州",
        "53": "云南", "54": "西藏", "61": "陕西", "62": "甘肃", "63": "青海", "64": "宁夏", "65": "新疆", "71": "台湾",
        "81": "香港", "82": "澳门",
    }
)  # fmt: skip
"""GB/T 2260: the first two digits."""

_CAMERAS = ("131", "132")
_ENCODERS = ("112", "113", "130")
_OTHER_TYPES = MappingProxyType(
    {
        "111": "DVR", "114": "decoder", "115": "video matrix", "116": "audio matrix", "117": "alarm controller", "118": "NVR",
        "133": "display", "134": "alarm input", "135": "alarm output", "136": "voice input", "137": "voice output",
        "200": "SIP server", "201": "web server", "202": "media server", "203": "proxy server", "204": "security server",
        "205": "alarm server", "206": "database server", "207": "GIS server", "208": "management server",
        "209": "access gateway", "210": "storage server", "215": "business group", "216": "virtual organisation",
        "503": "video and image base",
    }
)  # fmt: skip
_RESERVED_TRADES = (*range(12, 40), *range(60, 90))
_AREA_LENGTHS = (2, 4, 6, 9, 12)
_ROUNDED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+\d+")
_NEARLY = range(17, 24)
"""Of so many digits, an id that has not twenty was meant to have."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``faults``: why the code is refused. ``warnings``: what is unusual about it, and stands."""

    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def rounded(text: str) -> bool:
    """Whether a spreadsheet has written a long number in scientific form, which keeps fifteen digits at most."""
    return _ROUNDED.fullmatch(text.strip()) is not None


def camera_id(text: str) -> Verdict:
    """Of any id; only one that is, or was meant to be, of GB/T 28181 has parts to be looked at."""
    if not text.isascii() or not text.isdigit() or len(text) not in _NEARLY:
        return Verdict()
    if len(text) != 20:
        return Verdict((f"it has {len(text)} digits; an id of GB/T 28181 has 20: is one missing, or one too many?",))
    faults = (*_centre_faults(text[:8]), *_type_faults(text[10:13]), *_sequence_faults(text[14:]))
    return Verdict(tuple(faults), tuple(_id_warnings(text)))


def area_code(text: str) -> Verdict:
    """Six digits of a county, nine of a township, twelve of a village; two and four of province and city."""
    if not text.isascii() or not text.isdigit():
        return Verdict((f"area code {text[:20]}: digits alone are accepted",))
    if len(text) == 8:
        return Verdict(tuple(_county_faults(text[:6])), (_EIGHT.format(text),))
    if len(text) not in _AREA_LENGTHS:
        return Verdict(
            (
                f"area code {text[:20]} has {len(text)} digits; 6 (county), 9 (township) or 12 (village) are accepted, also 2 and 4",
            )
        )
    faults = [*_county_faults(text[:6]), *_township_faults(text[6:9]), *_village_faults(text[6:9], text[9:])]
    padded = text[-3:] == "000" and len(text) > 6
    return Verdict(
        tuple(faults), (_PADDED.format(text, text.removesuffix("000").removesuffix("000")),) if padded else ()
    )


_EIGHT = "area code {} has 8 digits, as a centre of GB/T 28181 has; 6, 9 or 12 are usual here"
_PADDED = "area code {} ends with zeros that name nothing; {} says the same"


def disagreement(id_: str, area: str | None) -> str | None:
    """That an id of GB/T 28181 and the area code name different counties, as a sentence."""
    if area is None or len(area) < 6 or not (len(id_) == 20 and id_.isdigit()) or id_[:6] == area[:6]:
        return None
    return f"the id says county {id_[:6]} in its digits 1–6, and the area code says {area[:6]}"


def _centre_faults(centre: str) -> Iterator[str]:
    if centre[:2] not in PROVINCES:
        yield f"digits 1–2 of the id, “{centre[:2]}”, are no province of GB/T 2260 (51 is 四川)"
    elif centre[2:4] == "00" and centre[4:] != "0000":
        yield f"digits 3–4 of the id are 00 (no city), but digits 5–8, “{centre[4:]}”, name something within one"


def _type_faults(type_: str) -> Iterator[str]:
    if type_ in _OTHER_TYPES:
        yield f"digits 11–13 of the id, “{type_}”, say {_OTHER_TYPES[type_]}; a camera has 131 or 132"
    elif int(type_) < 111:
        yield f"digits 11–13 of the id, “{type_}”, are no type of GB/T 28181; a camera has 131 or 132"


def _sequence_faults(sequence: str) -> Iterator[str]:
    if sequence == "000000":
        yield (
            "digits 15–20 of the id, the sequence, are 000000: a spreadsheet may have rounded the number; format the column "
            "of ids as text and write the ids again"
        )


def _id_warnings(text: str) -> Iterator[str]:
    if "71" <= text[2:4] <= "89":
        yield f"digits 3–4 of the id, “{text[2:4]}”, are given to no city in GB/T 2260"
    if int(text[8:10]) in _RESERVED_TRADES:
        yield f"digits 9–10 of the id, “{text[8:10]}”, are a trade that GB/T 28181 keeps for later"
    if text[10:13] not in (*_CAMERAS, *_ENCODERS, *_OTHER_TYPES):
        yield f"digits 11–13 of the id, “{text[10:13]}”, are an unusual type; a camera has 131 or 132"
    if text[13] == "9":
        yield "digit 14 of the id, the network, is 9, which GB/T 28181 gives to none"


def _county_faults(county: str) -> Iterator[str]:
    if county[:2] not in PROVINCES:
        yield f"digits 1–2 of the area code, “{county[:2]}”, are no province of GB/T 2260 (51 is 四川)"
    elif county[2:4] == "00" and county[4:] not in ("", "00"):
        yield f"digits 3–4 of the area code are 00 (no city), but digits 5–6, “{county[4:]}”, name a county"


def _township_faults(township: str) -> Iterator[str]:
    if township and int(township) > 599:
        yield (
            f"digits 7–9 of the area code, “{township}”, are no township: 001–099 are 街道, 100–199 镇, 200–399 乡, 400–599 others"
        )


def _village_faults(township: str, village: str) -> Iterator[str]:
    if not village or village == "000":
        return
    if township == "000":
        yield f"digits 10–12 of the area code, “{village}”, name a village, but digits 7–9 are 000 (no township)"
    if int(village) > 599:
        yield (
            f"digits 10–12 of the area code, “{village}”, are no village: 001–199 are 居委会, 200–399 村委会, 400–599 others"
        )
