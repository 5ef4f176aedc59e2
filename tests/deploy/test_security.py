"""The table of abuses names tests that there are."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/.]+\.py)::(test_\w+)`")


def test_every_abuse_is_held_by_a_test_that_there_is() -> None:
    table = (ROOT / "deploy" / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith(("| Abuse", "| ---"))]
    assert len(rows) >= 40
    for row in rows:
        found = NAMED.findall(row)
        assert found, f"no test is named: {row}"
        for path, name in found:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"def {name}\(", source), f"{path} has no {name}: {row}"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--prefix", name) for name in ("", "-rf", "{}/a b", "{}/a|b", "{}/a&b", "{}/$(touch x)", "{}/a\nb", "{}/`x`", "{}/a#b", "{}/'a'")),
        *(("--node", name) for name in ("", "a b", "-a", "a\nroles: admin", "../etc", "$(reboot)", "朱")),
    ],
)  # fmt: skip
def test_an_installation_below_a_name_that_means_something_else_is_refused(tmp_path, option, value) -> None:
    given = value.format(tmp_path) if "{}" in value else value
    script = str(ROOT / "deploy" / "bundle" / "install.sh")
    done = subprocess.run(
        ["sh", script, "versions", option, given], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and f"{option}: " in done.stderr
    assert "accepted" in done.stderr and not list(tmp_path.iterdir())


def test_an_installation_below_a_plain_name_is_not(tmp_path) -> None:
    script = str(ROOT / "deploy" / "bundle" / "install.sh")
    done = subprocess.run(
        ["sh", script, "versions", "--prefix", f"{tmp_path}/srv/gateway-1.d", "--node", "zhuyang-1"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
