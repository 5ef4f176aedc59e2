"""A real node's /metrics: what Prometheus thinks of it, and whether all that is asked of it exists."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[2] / "deploy"
# Names as operators know them (prefix gateway_), with the labels that a sample has.
NAMES = {
    "build_info": {"version"}, "config_last_reload_successful": set(), "cameras": {"state"}, "camera_up": {"camera"},
    "camera_last_keyframe_timestamp_seconds": {"camera"}, "camera_clock_offset_seconds": {"camera"},
    "camera_reconnects_total": {"camera"}, "camera_received_bytes_total": {"camera"},
    "camera_info": {"camera", "area", "vendor", "model", "codec"}, "camera_image_fault": {"camera", "fault"},
    "onvif_requests_total": {"operation", "result", "worker"}, "onvif_events_total": {"event_type"},
    "snapshots_total": {"source", "result"}, "snapshot_duration_seconds": {"source"}, "mqtt_connected": {"broker"},
    "mqtt_messages_received_total": {"topic_template"}, "terminals": {"state"}, "alerts_received_total": {"kind", "severity"},
    "alerts_deduplicated_total": {"kind"}, "signals_rejected_total": {"reason"}, "alerts_open": {"workflow", "severity"},
    "alert_oldest_unacknowledged_timestamp_seconds": {"severity"}, "alert_stage_duration_seconds": {"stage", "severity"},
    "alert_sla_breaches_total": {"stage", "severity"}, "forward_queue_messages": {"sink", "lane"},
    "forward_queue_oldest_timestamp_seconds": {"sink", "lane"}, "forward_attempts_total": {"sink", "result"},
    "forward_parked": {"sink"}, "live_sessions": {"protocol"}, "live_first_frame_seconds": set(),
    "event_loop_lag_seconds": set(), "ledger_commit_seconds": set(), "media_bytes": set(), "audit_write_failures_total": set(),
    "auth_failures_total": {"reason"}, "http_server_request_duration_seconds": {"method", "route", "status"},
}  # fmt: skip
NEVER = {"terminal", "alert", "press", "address", "host", "user", "path"}
_NAME = re.compile(r"\b(?:gateway|process)_[a-z0-9_]+")


def scraped(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return str(answer.read().decode())


def families(page: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", page, re.M))


def asked() -> set[str]:
    """Every metric named in a rule or on a dashboard, as its family."""
    rules = YAML(typ="safe").load((DEPLOY / "prometheus" / "gateway.rules.yml").read_text(encoding="utf-8"))
    queries = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    for path in (DEPLOY / "grafana" / "dashboards").glob("*.json"):
        board = json.loads(path.read_text(encoding="utf-8"))
        queries += [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
        queries += [variable["definition"] for variable in board["templating"]["list"] if "definition" in variable]
    return {re.sub(r"_(bucket|count|sum)$", "", name) for query in queries for name in _NAME.findall(query)}


@pytest.fixture
def pages(town: Any, television: Callable[..., Any], seen: Callable[..., Any]) -> dict[str, str]:
    """The county's page and the township's, after a press from end to end."""

    def ours(document: Any) -> None:
        document["metrics"]["per_camera"] = "full"
        document["heartbeat"] = {"every": "60s"}

    town.edit(ours)
    town.start()
    town.wait_for_camera("51172400001310000001")
    box = television("tv-0001")
    box.press_until_received("p1")
    seen("R2", lambda: box.heard("p1", "forwarded"))
    made = {}
    for name, node in (("county", town.county), ("township", town.township)):
        listen = YAML().load(node.config.read_text(encoding="utf-8"))["metrics"]["listen"]
        made[name] = f"http://{listen}/metrics"
    seen("figures of the township at its county", lambda: "gateway_node_disk_free_bytes{" in scraped(made["county"]))
    seen("pictures", lambda: 'result="ready"' in scraped(made["township"]))
    seen(
        "a drill press",
        lambda: re.search(r'success_timestamp_seconds\{stage="forwarded"\} [1-9]', scraped(made["township"])),
    )
    return {name: scraped(address) for name, address in made.items()}


def test_prometheus_finds_nothing_to_complain_of_and_all_that_is_asked_for(pages: dict[str, str], town: Any) -> None:
    for name, page in pages.items():
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=page.encode(), capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), name
    there = {re.sub(r"_total$", "", name) for page in pages.values() for name in families(page)}
    for wanted in (asked(), {f"gateway_{name}" for name in NAMES}):
        assert {name for name in wanted if re.sub(r"_total$", "", name) not in there} == set()
    _check_labels(pages["township"])
    _check_heartbeat(pages, town)


def _check_labels(page: str) -> None:
    shown: dict[str, set[str]] = {}
    for line in page.splitlines():
        if line.startswith("#") or "{" not in line:
            continue
        name = re.sub(r"_(bucket|count|sum|created)$", "", line.partition("{")[0]).removeprefix("gateway_")
        labels = set(re.findall(r"([a-z_]+)=\"", line)) - {"le"}
        shown.setdefault(name, set()).update(labels)
        assert not labels & NEVER, line
        assert not ({"camera"} & labels and "le=" in line), line
    assert {name: labels for name, labels in shown.items() if name in NAMES and labels != NAMES[name]} == {}


def _check_heartbeat(pages: dict[str, str], town: Any) -> None:
    """The drill press is a test at both levels, of its own terminal, and counts as no alert that somebody has to take."""
    for node in (town.township, town.county):
        beats = [alert for alert in node.alerts() if alert["source"]["id"] == "heartbeat"]
        assert [(beat["status"], beat["severity"], beat["workflow"]) for beat in beats] == [("test", 4, "new")]
    assert 'gateway_alerts_open{severity="1",workflow="new"} 1.0' in pages["township"]
    assert 'gateway_alerts_open{severity="4",workflow="new"}' not in pages["township"]
    assert 'gateway_alert_oldest_unacknowledged_timestamp_seconds{severity="4"} 0.0' in pages["township"]
    assert 'gateway_node_heartbeat_interval_seconds{node="zhuyang"} 60.0' in pages["county"]
