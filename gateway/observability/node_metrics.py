"""The figures of this node that travel upward, and those of the nodes below it as metrics: a county scrapes for its
townships, which stand behind NAT."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Gauge, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gateway.model import CameraState
from gateway.observability import metrics

_CAMERA_STATES = tuple(state.value for state in CameraState)
_TERMINAL_STATES = ("online", "offline", "unknown")
_RESERVED = frozenset({"up", "last_heard_timestamp_seconds", "cameras", "terminals"})
_MOST_FAMILIES = 200
_UNFIT = re.compile(r"_(count|sum|bucket|info|created)$")
"""Endings that belong to other types of metric (OpenMetrics 1.0, suffixes)."""


def own_figures() -> dict[str, float]:
    """Sums over the labels, by the names of the metrics without the prefix."""
    found = {
        "alerts_open": _sum(metrics.alerts_open),
        "alerts_new": _sum(metrics.alerts_open, workflow="new"),
        "alert_oldest_unacknowledged_timestamp_seconds": _oldest(metrics.alert_oldest_unacknowledged),
        "forward_queue_messages": _sum(metrics.forward_queue),
        "forward_queue_oldest_timestamp_seconds": _oldest(metrics.forward_queue_oldest),
        "forward_parked": _sum(metrics.forward_parked),
        "ledger_failed": _sum(metrics.ledger_failed),
        "media_bytes": _sum(metrics.media_bytes),
        "mqtt_connected": _sum(metrics.mqtt_connected),
        "disk_free_bytes": _sum(metrics.disk_free),
        "disk_size_bytes": _sum(metrics.disk_size),
        "certificate_expiry_timestamp_seconds": _oldest(metrics.certificate_expiry),
        "heartbeat_interval_seconds": _sum(metrics.heartbeat_interval),
        "heartbeat_last_success_timestamp_seconds": _oldest(metrics.heartbeat_last_success),
    }
    return {name: float(value) for name, value in found.items()}


def _values(gauge: Gauge, **labels: str) -> list[float]:
    return [
        sample.value
        for family in gauge.collect()
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    ]


def _sum(gauge: Gauge, **labels: str) -> float:
    return sum(_values(gauge, **labels))


def _oldest(gauge: Gauge) -> float:
    return min((value for value in _values(gauge) if value > 0), default=0.0)


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """What is known of a lower node. ``cameras`` and ``terminals``: how many by state."""

    node: str
    up: bool
    last_heard: datetime | None
    cameras: Mapping[str, int]
    terminals: Mapping[str, int]
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class NodeScene:
    """The lower nodes at one moment, to be made into metrics on any thread."""

    nodes: Sequence[NodeFigures]

    def collect(self) -> Iterator[Metric]:
        if not self.nodes:
            return
        yield _gauge("up", "1 while the lower node is heard.", ((each.node, float(each.up)) for each in self.nodes))
        yield _gauge(
            "last_heard_timestamp_seconds",
            "When the lower node was last heard.",
            ((each.node, each.last_heard.timestamp()) for each in self.nodes if each.last_heard is not None),
        )
        yield self._by_state("cameras", "Cameras of the lower node by state.", _CAMERA_STATES)
        yield self._by_state("terminals", "Terminals of the lower node by state.", _TERMINAL_STATES)
        yield from self._figures()

    def _by_state(self, what: str, text: str, states: Sequence[str]) -> Metric:
        family = GaugeMetricFamily(f"gateway_node_{what}", text, labels=["node", "state"])
        for each in self.nodes:
            counts: Mapping[str, int] = getattr(each, what)
            for state in states:
                family.add_metric([each.node, state], counts.get(state, 0))
        return family

    def _figures(self) -> Iterator[Metric]:
        """What the nodes tell by themselves. A name that another type of metric would have is passed over."""
        names = sorted({name for each in self.nodes for name in each.figures if _fit(name)})
        for name in names[:_MOST_FAMILIES]:
            values = ((each.node, each.figures[name]) for each in self.nodes if name in each.figures)
            text = f"The lower node's own gateway_{name}, summed over its labels."
            if name.endswith("_total"):
                family = CounterMetricFamily(f"gateway_node_{name.removesuffix('_total')}", text, labels=["node"])
                for node, value in values:
                    family.add_metric([node], value)
                yield family
            else:
                yield _gauge(name, text, values)


def _fit(name: str) -> bool:
    return name.removesuffix("_total") not in _RESERVED and _UNFIT.search(name) is None


def _gauge(name: str, text: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"gateway_node_{name}", text, labels=["node"])
    for node, value in values:
        family.add_metric([node], value)
    return family
