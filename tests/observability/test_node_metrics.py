"""Lower nodes' figures at a county, as Prometheus itself reads them (promtool)."""

import subprocess
from datetime import UTC, datetime

from prometheus_client.exposition import generate_latest

from gateway.observability import metrics
from gateway.observability.exposition import Together
from gateway.observability.node_metrics import NodeFigures, NodeScene, own_figures

AT = datetime(2026, 1, 1, tzinfo=UTC)


def scene(**figures: float) -> NodeScene:
    told = {"alerts_open": 3.0, "forward_parked": 0.0, "presses_total": 7.0, **figures}
    return NodeScene(
        [
            NodeFigures("zhuyang", True, AT, {"online": 998, "offline": 2}, {"online": 40, "unknown": 5}, told),
            NodeFigures("longmen", False, None, {}, {}, {}),
        ]
    )


def samples(shown: NodeScene) -> dict[str, float]:
    return {
        f"{sample.name}{{{','.join(sample.labels.values())}}}": sample.value
        for family in shown.collect()
        for sample in family.samples
    }


def test_a_county_shows_who_is_heard_and_what_stands_there() -> None:
    found = samples(scene())
    assert (found["gateway_node_up{zhuyang}"], found["gateway_node_up{longmen}"]) == (1, 0)
    assert found["gateway_node_last_heard_timestamp_seconds{zhuyang}"] == AT.timestamp()
    assert "gateway_node_last_heard_timestamp_seconds{longmen}" not in found
    assert found["gateway_node_cameras{zhuyang,online}"] == 998
    assert found["gateway_node_cameras{longmen,online}"] == 0
    assert found["gateway_node_terminals{zhuyang,unknown}"] == 5
    assert found["gateway_node_alerts_open{zhuyang}"] == 3


def test_prometheus_finds_nothing_to_complain_of_whatever_a_node_tells() -> None:
    hostile = {"up": 5.0, "cameras": 1.0, "lag_count": 1.0, "lag_bucket": 2.0, "x_total": 3.0, "stopping": 1.0}
    together = Together([metrics.REGISTRY, scene(**hostile, **own_figures())])
    page = generate_latest(together)  # type: ignore[arg-type]
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert b'gateway_node_x_total{node="zhuyang"} 3.0' in page
    assert page.count(b"# TYPE gateway_node_up ") == 1


def test_a_node_without_lower_nodes_shows_none() -> None:
    assert list(NodeScene([]).collect()) == []


def test_own_figures_are_sums_over_the_labels_and_the_oldest_moment() -> None:
    metrics.alerts_open.clear()
    metrics.alerts_open.labels("new", "1").set(2)
    metrics.alerts_open.labels("acknowledged", "1").set(3)
    metrics.alert_oldest_unacknowledged.labels("1").set(0)
    metrics.alert_oldest_unacknowledged.labels("2").set(200)
    metrics.alert_oldest_unacknowledged.labels("3").set(100)
    try:
        found = own_figures()
    finally:
        metrics.alerts_open.clear()
        metrics.alert_oldest_unacknowledged.clear()
    assert (found["alerts_open"], found["alerts_new"]) == (5, 2)
    assert found["alert_oldest_unacknowledged_timestamp_seconds"] == 100
