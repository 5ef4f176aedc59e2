"""The two palettes: the same names in both, and enough contrast wherever words or controls lie on a ground."""

import re
from pathlib import Path

import pytest

from gateway.console.web import build as web_build

SRC = Path(web_build.__file__).parent / "src"
WORDS, MARKS = 4.5, 3.0  # WCAG 2.2 §1.4.3 and §1.4.11
GROUNDS = ("well", "ground", "raised", "hover", "chosen")
WASHES = ("sev1-wash", "sev2-wash", "sev3-wash", "sev4-wash")
STATES = ("ok", "sev1", "sev2", "sev3", "sev4")
PAIRS = [
    *((words, ground, WORDS) for words in ("ink", "soft", "faint") for ground in GROUNDS),
    *((words, ground, WORDS) for words in STATES for ground in GROUNDS),
    *((words, ground, WORDS) for words in ("ink", "soft") for ground in (*WASHES, "sev1-wash-strong")),
    *((f"sev{number}", f"sev{number}-wash", WORDS) for number in (1, 2, 3, 4)),
    ("sev1", "sev1-wash-strong", WORDS),
    *((f"on-sev{number}", f"sev{number}", WORDS) for number in (1, 2, 3, 4)),
    ("ground", "faint", WORDS),  # the figure in a drill's mark
    ("ink", "badge", WORDS),
    ("on-primary", "primary", WORDS),
    ("on-primary", "primary-hover", WORDS),
    ("problem-ink", "problem-ground", WORDS),
    ("problem-ink", "hover", WORDS),  # a button in a banner, under the pointer
    ("problem-line", "ground", MARKS),
    ("video-ink", "video-ground", WORDS),
    ("video-soft", "video-ground", WORDS),
    ("video-line", "video-ground", MARKS),
    ("map-ink", "map-ground", WORDS),
    *((mark, "map-ground", MARKS) for mark in ("map-camera", "map-terminal", *STATES)),
    *(("line-strong", ground, MARKS) for ground in GROUNDS),
    *(("focus", ground, MARKS) for ground in (*GROUNDS, *WASHES, "map-ground")),
]
LITERAL = re.compile(r"(?<!&)#[0-9a-fA-F]{3,8}\b|\b(?:rgb|hsl)a?\(")


def palettes() -> dict[str, dict[str, str]]:
    """``dark`` and ``light`` as base.css has them: name → colour."""
    text = (SRC / "styles" / "base.css").read_text(encoding="utf-8")
    found = dict(re.findall(r"^(:root\S*) \{\n(.*?)^\}", text, re.M | re.S))
    named = {"dark": ":root", "light": ':root[data-theme="light"]'}
    return {theme: dict(re.findall(r"--([\w-]+): ([^;]+);", found[block])) for theme, block in named.items()}


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_reckoned_as_the_standard_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_both_palettes_name_the_same_things() -> None:
    both = palettes()
    assert both["dark"].keys() == both["light"].keys()
    assert len(both["dark"]) > 40


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_what_lies_on_a_ground_can_be_read(theme: str) -> None:
    colours = palettes()[theme]
    weak = {
        f"{upper} on {ground}": round(contrast(colours[upper], colours[ground]), 2)
        for upper, ground, least in PAIRS
        if contrast(colours[upper], colours[ground]) < least
    }
    assert weak == {}


def test_no_other_file_has_a_colour_of_its_own() -> None:
    """A literal colour is right in one theme and wrong in the other."""
    literal = []
    for path in sorted(SRC.rglob("*.vue")):
        for style in re.findall(r"<style.*?</style>", path.read_text(encoding="utf-8"), re.S):
            literal += [f"{path.relative_to(SRC)}: {found}" for found in LITERAL.findall(style)]
    assert literal == []


def test_every_colour_that_is_used_is_in_the_palette() -> None:
    names = set(palettes()["dark"])
    used = {
        (str(path.relative_to(SRC)), name)
        for path in sorted([*SRC.rglob("*.vue"), *SRC.rglob("*.css")])
        for name in re.findall(r"var\(--([\w-]+)", path.read_text(encoding="utf-8"))
    }
    own = {
        (str(path.relative_to(SRC)), name)
        for path in sorted(SRC.rglob("*.vue"))
        for name in re.findall(r"--([\w-]+)['\"]?\s*:", path.read_text(encoding="utf-8"))
    }
    assert sorted(f"{path}: --{name}" for path, name in used if name not in names and (path, name) not in own) == []
