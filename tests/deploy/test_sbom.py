"""The bill of materials holds what the locks hold, and the same locks give the same bytes."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sbom():
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "deploy" / "sbom.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def locks(sbom):
    return sbom.PYTHON_LOCK.read_text("utf-8"), sbom.NPM_LOCK.read_text("utf-8")


@pytest.fixture(scope="module")
def bill(sbom, locks):
    return json.loads(sbom.bill("1.2.3", *locks))


def test_every_locked_python_package_is_there_with_each_of_its_hashes(bill, locks):
    found = {part["purl"]: {each["content"] for each in part["hashes"]} for part in bill["components"]}
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", locks[0], re.M)
    assert len(pinned) > 40
    for name, version, hashes in pinned:
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        assert found[purl] == set(re.findall(r"sha256:([0-9a-f]{64})", hashes))


def test_every_npm_package_of_the_console_is_there(bill, locks):
    wanted = {path.rpartition("node_modules/")[2] for path in json.loads(locks[1])["packages"] if path}
    assert wanted <= {part["name"] for part in bill["components"] if part["purl"].startswith("pkg:npm/")}


def test_most_licences_are_known(bill):
    assert sum(bool(part.get("licenses")) for part in bill["components"]) / len(bill["components"]) > 0.9


def test_the_same_locks_give_the_same_bytes_and_others_another_serial_number(sbom, locks):
    python, npm = locks
    assert sbom.bill("1", python, npm) == sbom.bill("1", python, npm)
    numbers = [json.loads(sbom.bill("1", *each))["serialNumber"] for each in ((python, npm), (python + "\n", npm))]
    assert numbers[0] != numbers[1]


def test_a_lock_without_hashes_is_no_lock(sbom):
    with pytest.raises(ValueError, match="no hash of six"):
        sbom.python_packages("six==1.17.0\n")
