"""The build of the console: when it is left out, what it says when it cannot be, and what it made."""

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest

from gateway.console.web import build as web_build
from gateway.console.web import built_pages
from gateway.console.web.build import BuildFailed

WEB = Path(web_build.__file__).parent
LARGEST_FIRST_SCREEN = 400_000  # bytes, compressed: what the log-in and the desk need
LARGEST_BUNDLE = 800_000  # with every page, the map among them


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The inputs and a ``dist`` that was made from them."""
    web = tmp_path / "web"
    for path in web_build.inputs():
        (web / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(WEB / path, web / path)
    (web / "dist").mkdir()
    (web / "dist" / "index.html").write_text("<!doctype html>")
    (web / "dist" / web_build.STAMP).write_text(web_build.digest(web) + "\n")
    return web


def test_pages_of_these_very_inputs_are_not_built_again(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_build, "find_node", lambda: pytest.fail("there is nothing to build"))
    assert web_build.build(copy) == copy / "dist"


@pytest.mark.parametrize("name", ["src/main.ts", "package-lock.json", "index.html"])
def test_a_changed_input_asks_for_a_build(copy: Path, name: str) -> None:
    with (copy / name).open("a") as file:
        file.write("\n")
    assert not web_build.is_current(copy)


def test_a_renamed_or_new_input_asks_for_a_build(copy: Path) -> None:
    (copy / "src" / "format.ts").rename(copy / "src" / "shape.ts")
    assert not web_build.is_current(copy)
    (copy / "src" / "shape.ts").rename(copy / "src" / "format.ts")
    assert web_build.is_current(copy)
    (copy / "public" / "another.svg").write_text("<svg/>")
    assert not web_build.is_current(copy)


def test_a_checkout_that_is_not_whole_is_told_of(copy: Path) -> None:
    (copy / "package-lock.json").unlink()
    with pytest.raises(BuildFailed, match=r"package-lock\.json is missing"):
        web_build.digest(copy)


def test_without_any_node_the_build_says_what_to_install(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "src" / "main.ts").write_text("")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(web_build, "_packaged_node", lambda: None)
    with pytest.raises(BuildFailed, match=r"Node\.js 20\.19 or newer"):
        web_build.build(copy)


@pytest.mark.parametrize(
    ("version", "enough"),
    [("v18.20.0", False), ("v20.18.9", False), ("v20.19.0", True), ("v21.7.0", False), ("v22.11.0", False),
     ("v22.12.0", True), ("v24.1.0", True), ("what?", False)],
)  # fmt: skip
def test_which_node_is_new_enough(version: str, enough: bool, tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho '{version}'\n")
    node.chmod(0o755)
    assert web_build._is_new_enough(str(node)) is enough


def test_a_failing_build_shows_what_npm_said_and_leaves_the_old_pages(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "src" / "main.ts").write_text("")
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'the registry is far away'\nexit 7\n")
    npm.chmod(0o755)
    monkeypatch.setattr(web_build, "find_node", lambda: web_build.Node((str(npm),), tmp_path))
    with pytest.raises(BuildFailed, match=r"npm install --no-audit failed with exit code 7:\nthe registry is far away"):
        web_build.build(copy)
    assert (copy / "dist" / "index.html").read_text() == "<!doctype html>"


def test_a_build_replaces_the_pages_and_stamps_them(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "src" / "main.ts").write_text("// changed\n")
    npm = tmp_path / "npm"
    npm.write_text('#!/bin/sh\n[ "$1" = run ] && mkdir dist && echo new > dist/index.html\nexit 0\n')
    npm.chmod(0o755)
    monkeypatch.setattr(web_build, "find_node", lambda: web_build.Node((str(npm),), tmp_path))
    assert web_build.build(copy) == copy / "dist"
    assert (copy / "dist" / "index.html").read_text() == "new\n"
    assert web_build.is_current(copy)
    assert sorted(path.name for path in copy.glob("dist*")) == ["dist"]


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert packages["node_modules/vue"]["integrity"].startswith("sha512-")


def test_the_built_pages_are_small_and_name_no_other_host(dist: Path) -> None:
    assert built_pages() == dist
    files = [path for path in dist.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) <= LARGEST_BUNDLE
    index = (dist / "index.html").read_text()
    assert re.search(r"<script(?![^>]*\bsrc=)", index) is None  # the policy forbids inline code
    assert re.search(r"<style|\sstyle=", index) is None
    assert re.findall(r"""(?:src|href)=["'](?!/)""", index) == []


def test_the_first_screen_needs_little(dist: Path) -> None:
    """All that index.html names; pages that are opened later bring their own files."""
    index = (dist / "index.html").read_text()
    named = re.findall(r"""(?:src|href)=["']/([^"']+)""", index)
    assert any(name.endswith(".js") for name in named)
    sizes = {name: len(gzip.compress((dist / name).read_bytes())) for name in named}
    assert sum(sizes.values()) <= LARGEST_FIRST_SCREEN, sizes
    at_once = "".join((dist / name).read_text() for name in named if name.endswith(".js"))
    assert "leaflet-container" not in at_once  # the map comes with the first page that has one
