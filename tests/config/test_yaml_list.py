"""One camera of a YAML list changes, and not a letter of anything else."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gateway.config import yaml_list
from gateway.errors import UsageError

FILE = """\
# the centre's own file
node: {id: zhuyang, name: 竹阳街道综治中心}   # our node
cameras:            # 一机一档
  # at the crossing
  - id: "51172400001310000001"   # GB/T 28181
    name: 十字口东
    place: {lon: 107.2043,   # surveyed
            lat: 30.7361}
    rtsp:
        main: 'rtsp://10.0.0.5/main'  # 1080p

        # the small one
        sub: "rtsp://10.0.0.5/sub"

  # second: the square
  - id: cam-2
    name: >-
      the
      square
    onvif: {host: 10.0.0.6, port: 80, username: admin, password: {file: secrets/cam-2}}
  # after the last

# ---- terminals ----
terminals:
- id: tv-1   # 王家
"""


def load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def by_id(text: str) -> dict[str, Any]:
    return {str(camera["id"]): camera for camera in load(text)["cameras"] or ()}


class TestAdding:
    def test_after_the_last_camera_and_before_what_follows_it(self) -> None:
        made = yaml_list.added(
            FILE, [{"id": "51", "name": "新", "onvif": {"host": "h", "password": {"file": "s/1"}}}], whole=False
        )
        before, after = made.split("  # after the last\n")
        assert after == FILE.split("  # after the last\n")[1]
        assert before == FILE.split("  # after the last\n")[0] + (
            "  - id: '51'\n    name: 新\n    onvif:\n      host: h\n      password: {file: s/1}\n"
        )

    @pytest.mark.parametrize(
        "text",
        [
            "node: {id: a}\n",
            "node: {id: a}",
            "node: {id: a}\ncameras: []  # none yet\n",
            "node: {id: a}\ncameras: [ ]\nsinks: []\n",
            "node: {id: a}\ncameras:\nsinks: []\n",
            "cameras: null\nnode: {id: a}\n",
            "cameras: ~   # none\n# more\nnode: {id: a}\n",
            "node: {id: a}\r\ncameras:\r\n- id: x\r\n",
            "\ufeffnode: {id: a}\ncameras:\n    - id: x\n",
            "cameras:\n  -\n    id: x\n",
            "cameras:\n- id: x",
        ],
    )
    def test_to_whatever_stands_there(self, text: str) -> None:
        made = yaml_list.added(text, [{"id": "n", "clip": None}], whole=False)
        had = {str(camera["id"]): camera for camera in load(text).get("cameras") or ()}
        assert by_id(made) == {**had, "n": {"id": "n"}}
        assert re.findall("#.*", made) == re.findall("#.*", text)
        assert ("\r\n" in made, made.startswith("\ufeff")) == ("\r\n" in text, text.startswith("\ufeff"))
        assert {key: value for key, value in load(made).items() if key != "cameras"} == {
            key: value for key, value in load(text).items() if key != "cameras"
        }

    @pytest.mark.parametrize("text", ["", "# nothing yet\n", "[]\n", "- id: x\n  name: y\n# end\n", "---\n- id: x"])
    def test_to_a_file_that_is_the_list(self, text: str) -> None:
        made = yaml_list.added(text, [{"id": "n"}], whole=True)
        assert load(made) == [*(load(text) or []), {"id": "n"}]
        assert re.findall("#.*", made) == re.findall("#.*", text)

    @pytest.mark.parametrize(
        "text", ["{node: {id: a}}", "cameras: [{id: x}]\n", "cameras: {id: x}\n", "- id: x\n", "a: ["]
    )
    def test_a_form_that_cannot_be_changed_without_harm_is_refused(self, text: str) -> None:
        with pytest.raises(UsageError):
            yaml_list.added(text, [{"id": "n"}], whole=False)


class TestRemoving:
    def test_its_lines_and_no_other(self) -> None:
        made = yaml_list.removed(FILE, "51172400001310000001", whole=False)
        lines = FILE.splitlines(keepends=True)
        assert made == "".join(lines[:4] + lines[13:])
        assert lines[13] == "\n"

    def test_the_last_one_leaves_an_empty_list(self) -> None:
        made = yaml_list.removed(
            "cameras:  # all\n  # x\n  - id: x  # its own\n    name: y\nsinks: []\n", "x", whole=False
        )
        assert made == "cameras: []  # all\n  # x\nsinks: []\n"
        assert yaml_list.removed("# list\n- id: x\n", "x", whole=True) == "# list\n[]\n"

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(KeyError):
            yaml_list.removed(FILE, "cam-3", whole=False)


class TestChanging:
    def test_only_its_own_lines(self) -> None:
        made = yaml_list.changed(FILE, "cam-2", {"onvif": {"host": "10.0.0.9"}}, whole=False)
        assert made == FILE.replace("{host: 10.0.0.6,", "{host: 10.0.0.9,").replace(
            "    name: >-\n      the\n      square\n", "    name: >-\n      the\n      square\n"
        )

    def test_every_comment_stays(self) -> None:
        made = yaml_list.changed(FILE, "51172400001310000001", {"name": "东", "place": {"lat": 31.5}}, whole=False)
        assert sorted(re.findall("#.*", made)) == sorted(re.findall("#.*", FILE))
        changed = by_id(made)["51172400001310000001"]
        assert (changed["name"], changed["place"]) == ("东", {"lon": 107.2043, "lat": 31.5})
        assert made.split("\n  # second")[1] == FILE.split("\n  # second")[1]

    def test_a_key_is_taken_away_and_a_mapping_is_made(self) -> None:
        made = yaml_list.changed(FILE, "cam-2", {"onvif": None, "rtsp": {"main": "rtsp://h/1"}}, whole=False)
        assert by_id(made)["cam-2"] == {"id": "cam-2", "name": "the square", "rtsp": {"main": "rtsp://h/1"}}

    def test_a_secret_is_replaced_not_mixed(self) -> None:
        made = yaml_list.changed(FILE, "cam-2", {"onvif": {"password": {"file": "secrets/new"}}}, whole=False)
        assert by_id(made)["cam-2"]["onvif"]["password"] == {"file": "secrets/new"}
        env = FILE.replace("{file: secrets/cam-2}", "{env: CAM}")
        made = yaml_list.changed(env, "cam-2", {"onvif": {"password": {"file": "secrets/new"}}}, whole=False)
        assert by_id(made)["cam-2"]["onvif"]["password"] == {"file": "secrets/new"}

    def test_one_that_leans_on_an_anchor_elsewhere_is_refused_in_words(self) -> None:
        text = "cameras:\n- &a {id: x}\n- <<: *a\n  id: y\n"
        with pytest.raises(UsageError, match="by hand"):
            yaml_list.changed(text, "y", {"name": "n"}, whole=False)


# ------------------------------------------------------------------------------------------------ any file

_words = st.text("abc 十字口#:'\"-{}[],&*!|>%@`\\x", min_size=1, max_size=12)
_comments = st.text("abc 十:-#{}'\"", max_size=12).map(lambda text: f"# {text}")
_ids = st.lists(st.from_regex(r"[a-z0-9._-]{1,8}", fullmatch=True), min_size=1, max_size=5, unique=True)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A configuration with cameras in any layout, comments everywhere; and the cameras' ids."""
    names = draw(_ids)
    dash = " " * draw(st.sampled_from([0, 2, 4]))
    inner = dash + " " * draw(st.sampled_from([2, 4]))
    lines = ["node: {id: a}", f"cameras: {draw(_comments)}"]
    for name in names:
        lines += draw(st.lists(st.sampled_from(["", f"{dash}# x", "# y"]), max_size=2))
        pad = " " * (len(inner) - len(dash) - 1)
        lines.append(f"{dash}-{pad}id: '{name}' {draw(_comments)}")
        keys = {
            "name": [f"{inner}name: {_quoted(draw(_words))} {draw(_comments)}"],
            "place": [f"{inner}place: {{lon: 1.50,  lat: 2}} {draw(_comments)}"],
            "onvif": [
                f"{inner}onvif: {draw(_comments)}",
                f"{inner}   host: h",
                f"{inner}   {draw(_comments)}",
                f"{inner}   port: 80 {draw(_comments)}",
            ],
        }
        for key in draw(st.permutations(sorted(keys))):
            lines += keys[key]
            lines += draw(st.lists(st.sampled_from(["", f"{inner}# between"]), max_size=1))
    lines += draw(st.lists(st.sampled_from(["", f"{dash}# tail", "# tail"]), max_size=3))
    lines += draw(st.sampled_from([[], ["terminals:", "- id: t  # 王"]]))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"])), names


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _comments_of(text: str) -> list[str]:
    """The file's own way to write them: a blank and ``#`` outside of quotes."""
    bare = [
        re.sub(r"'(?:[^']|'')*'", "''", line.split(" #")[0]) + line[len(line.split(" #")[0]) :]
        for line in text.splitlines()
    ]
    return sorted(found[0].strip() for line in bare if (found := re.search(r"(?:^|\s)#.*$", line)))


@given(files(), _words)
def test_whatever_is_added_everything_else_is_the_same_bytes(file: tuple[str, list[str]], name: str) -> None:
    text, _ = file
    made = yaml_list.added(text, [{"id": "NEW", "name": name, "onvif": {"host": "h"}}], whole=False)
    assert by_id(made) == {**by_id(text), "NEW": {"id": "NEW", "name": name, "onvif": {"host": "h"}}}
    assert yaml_list.removed(made, "NEW", whole=False).rstrip("\n") == text.rstrip("\n")


@given(files(), st.data())
def test_whatever_is_changed_every_comment_and_every_other_camera_stays(
    file: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = file
    chosen, name = data.draw(st.sampled_from(names)), data.draw(_words)
    made = yaml_list.changed(text, chosen, {"name": name, "onvif": {"port": 81}, "place": None}, whole=False)
    wanted = by_id(text)
    wanted[chosen] = {**wanted[chosen], "name": name, "onvif": {"host": "h", "port": 81}}
    del wanted[chosen]["place"]
    assert by_id(made) == wanted
    assert {key: value for key, value in load(made).items() if key != "cameras"} == {
        key: value for key, value in load(text).items() if key != "cameras"
    }


@given(files(), st.data())
def test_a_change_of_one_value_keeps_every_comment(file: tuple[str, list[str]], data: st.DataObject) -> None:
    text, names = file
    chosen = data.draw(st.sampled_from(names))
    made = yaml_list.changed(text, chosen, {"onvif": {"host": "g"}}, whole=False)
    assert by_id(made)[chosen]["onvif"]["host"] == "g"
    before, after = _comments_of(text), _comments_of(made)
    assert [each for each in before if each not in after] == []


@given(files(), st.data())
def test_whatever_is_removed_the_others_stay(file: tuple[str, list[str]], data: st.DataObject) -> None:
    text, names = file
    chosen = data.draw(st.sampled_from(names))
    made = yaml_list.removed(text, chosen, whole=False)
    wanted = by_id(text)
    del wanted[chosen]
    assert by_id(made) == wanted
    kept = iter(text.splitlines())
    if wanted:
        assert all(line in kept for line in made.splitlines())  # the same lines, in the same order
