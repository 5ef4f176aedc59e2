"""What deploy/prometheus holds, as Prometheus itself reads and tries it."""

import contextlib
import http.server
import json
import re
import shlex
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from ruamel.yaml import YAML

from gateway.observability.metrics import REGISTRY

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
EXPECTED = {
    "GatewayDown", "ForwardStuck", "CriticalUnacknowledged", "SlaBreachRate", "CameraDown", "MassCameraOutage", "ClockSkew",
    "ParkedEvents", "LedgerFailing", "Watchdog", "DiskFilling", "HeartbeatMissing", "NodeSilent", "ImageFaultShare",
}  # fmt: skip


def run(*words: str, cwd: Path = PROMETHEUS) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(name: str) -> Any:
    return YAML(typ="safe").load((PROMETHEUS / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    return {rule["alert"]: rule for group in read("gateway.rules.yml")["groups"] for rule in group["rules"]}


def test_prometheus_takes_the_configurations_and_the_rules() -> None:
    run("promtool", "check", "config", "prometheus.county.yml")
    run("promtool", "check", "config", "--agent", "prometheus.township.yml")
    run("promtool", "check", "rules", "gateway.rules.yml")


def test_each_rule_fires_after_its_threshold_and_not_before() -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", "gateway.test.yml", cwd=PROMETHEUS / "tests")


def test_the_tests_of_rules_find_a_rule_that_is_wrong(tmp_path: Path) -> None:
    """They count what fires, so they have to see that nothing does."""
    (tmp_path / "tests").mkdir()
    text = (PROMETHEUS / "gateway.rules.yml").read_text(encoding="utf-8")
    (tmp_path / "gateway.rules.yml").write_text(
        text.replace("gateway_ledger_failed == 1", "gateway_ledger_failed == 2")
    )
    shutil.copy(PROMETHEUS / "tests" / "gateway.test.yml", tmp_path / "tests")
    done = subprocess.run(
        ["promtool", "test", "rules", "gateway.test.yml"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path / "tests",
    )
    assert done.returncode != 0
    assert "LedgerFailing" in done.stdout + done.stderr


def test_every_rule_has_its_tests_before_and_after(rules: dict[str, Any]) -> None:
    assert rules.keys() >= EXPECTED
    looked: dict[str, set[bool]] = {}
    for test in read("tests/gateway.test.yml")["tests"]:
        found = looked.setdefault(test["name"].partition(":")[0], set())
        found |= {bool(each["exp_samples"]) for each in test["promql_expr_test"]}
    assert looked.keys() == rules.keys()
    assert {name for name, found in looked.items() if found != {True, False}} == {"Watchdog"}


def test_every_rule_says_what_is_wrong_in_both_languages_and_what_to_do(rules: dict[str, Any]) -> None:
    for name, rule in rules.items():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        for text in (rule["annotations"]["summary"], rule["annotations"]["action"]):
            chinese, slash, english = text.partition(" / ")
            assert slash and re.search(r"[一-鿿]|gateway pki", chinese) and re.search(r"[a-z]{2}", english), (
                name,
                text,
            )


def test_a_mass_outage_silences_its_single_cameras_and_comes_first(rules: dict[str, Any]) -> None:
    inhibited = {
        (source, target)
        for rule in read("alertmanager.yml")["inhibit_rules"]
        for source in re.findall(r"\w+", rule["source_matchers"][0].partition("=")[2])
        for target in re.findall(r"\w+", rule["target_matchers"][0].partition("=")[2])
    }
    assert ("MassCameraOutage", "CameraDown") in inhibited
    names = {name for rule in inhibited for name in rule if name[0].isupper()}
    assert names <= rules.keys()
    assert int(rules["MassCameraOutage"]["for"].rstrip("m")) < int(rules["CameraDown"]["for"].rstrip("m"))


def test_alertmanager_takes_its_configuration() -> None:
    assert "SUCCESS" in run("amtool", "check-config", "alertmanager.yml")


def test_the_agent_of_a_township_is_kept_small() -> None:
    told = read("prometheus.township.yml")
    assert "rule_files" not in told and "alerting" not in told  # an agent knows neither
    (write,) = told["remote_write"]
    assert write["url"].startswith("https://") and write["tls_config"].keys() == {"ca_file", "cert_file", "key_file"}
    assert write["queue_config"]["max_shards"] <= 4 and write["queue_config"]["capacity"] <= 10_000


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = generate_latest(REGISTRY)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what it looks for."""


@pytest.fixture
def gateway_page() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield server.server_address[1]
    server.shutdown()
    serving.join(60)
    server.server_close()


@contextlib.contextmanager
def started(directory: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(["prometheus", *words], stdout=log, stderr=log, cwd=directory)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def test_a_township_behind_nat_writes_to_its_county_whose_rules_see_it(
    tmp_path: Path, free_port: Callable[[], int], gateway_page: int
) -> None:
    """Two real Prometheus, with the files of this folder: only addresses, intervals and the TLS that is not here differ."""
    county_port, agent_port = free_port(), free_port()
    county, agent = tmp_path / "county", tmp_path / "agent"
    for directory in (county, agent):
        directory.mkdir()
    quick = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    above = read("prometheus.county.yml")
    above["global"] = {**quick, "evaluation_interval": "1s"}
    above["scrape_configs"], above["alerting"] = [], {}
    shutil.copy(PROMETHEUS / "gateway.rules.yml", county)
    below = read("prometheus.township.yml")
    below["global"] |= quick
    below["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{gateway_page}"]
    (write,) = below["remote_write"]
    del write["tls_config"]
    write |= {"url": f"http://127.0.0.1:{county_port}/api/v1/write"}
    write["queue_config"]["batch_send_deadline"] = "1s"
    for directory, told in ((county, above), (agent, below)):
        with (directory / "prometheus.yml").open("w", encoding="utf-8") as file:
            YAML().dump(told, file)
    with (
        started(county, "--config.file=prometheus.yml", f"--storage.tsdb.path={county}/data", f"--web.listen-address=127.0.0.1:{county_port}", "--web.enable-remote-write-receiver"),
        started(agent, "--config.file=prometheus.yml", *_agent_flags(agent, agent_port)),
    ):  # fmt: skip
        ask = f"http://127.0.0.1:{county_port}/api/v1/"
        found = seen(lambda: query(ask, 'gateway_disk_free_bytes{site="zhuyang", via="remote_write"}'), county, agent)
        assert found[0]["metric"]["job"] == "gateway"
        assert seen(lambda: query(ask, 'up{job="gateway", site="zhuyang"} == 1'), county, agent)
        assert seen(lambda: query(ask, 'ALERTS{alertname="Watchdog", alertstate="firing"}'), county, agent)
        assert query(ask, "gateway_ledger_commit_seconds_bucket") == []  # it stays on the box


def _agent_flags(directory: Path, port: int) -> list[str]:
    """As the comment on top of the file has them."""
    text = (PROMETHEUS / "prometheus.township.yml").read_text(encoding="utf-8")
    lines = re.findall(r"^#   (.*)$", text, re.M)
    words = shlex.split(" ".join(line.rstrip("\\") for line in lines))
    assert words[0] == "prometheus" and len(words) == 8
    fixed = {
        "--config.file": None,
        "--storage.agent.path": f"{directory}/data",
        "--web.listen-address": f"127.0.0.1:{port}",
    }
    kept = []
    for word in words[1:]:
        name, _, value = word.partition("=")
        value = fixed.get(name, value) or ""
        kept += [f"{name}={value}"] if value else []
    return kept


def query(ask: str, expression: str) -> list[Any]:
    with contextlib.suppress(OSError):
        words = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{ask}query?{words}", timeout=60) as answer:
            return list(json.load(answer)["data"]["result"])
    return []


def seen(look: Callable[[], Any], *directories: Path) -> Any:
    deadline = time.monotonic() + 90
    while not (found := look()):
        assert time.monotonic() < deadline, [(directory / "log").read_text()[-2000:] for directory in directories]
        time.sleep(0.2)
    return found
