"""The metrics of cameras and video workers, made when they are asked for: nothing is kept per camera between scrapes.

``per_camera``: off | state (up, last keyframe) | full. Gauges and counters only; a thousand cameras are then eight thousand
lines at most.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gateway.model import Camera, CameraHealth, CameraState, DeviceHealth, DeviceInformation, EventsState, ImageFault


@dataclass(frozen=True, slots=True)
class VideoScene:
    """The cameras and workers at one moment; may be collected on another thread. ``workers``: figures by name; ``devices``:
    what is known of cameras over ONVIF, by camera."""

    cameras: Sequence[tuple[Camera, CameraHealth]]
    workers: Mapping[str, Mapping[str, Any]]
    per_camera: str = "off"
    devices: Mapping[str, DeviceHealth] = field(default_factory=dict)

    def collect(self) -> Iterator[Metric]:
        states = Counter(health.state for _, health in self.cameras)
        yield _gauge("cameras", "Cameras by state.", "state", ((state.value, states[state]) for state in CameraState))
        told = Counter(device.events for device in self.devices.values())
        yield _gauge(
            "camera_events",
            "Cameras by whether they tell us of events.",
            "state",
            ((s.value, told[s]) for s in EventsState),
        )
        if self.per_camera != "off":
            yield from self._states()
        if self.per_camera == "full":
            yield from self._details()
        yield from self._workers()

    def _states(self) -> Iterator[Metric]:
        yield _gauge(
            "camera_up",
            "1 while the camera's last keyframe is young enough.",
            "camera",
            ((health.camera_id, health.state is CameraState.ONLINE) for _, health in self.cameras),
        )
        yield _gauge(
            "camera_last_keyframe_timestamp_seconds",
            "When the camera's last keyframe came.",
            "camera",
            (
                (health.camera_id, health.last_keyframe_at.timestamp())
                for _, health in self.cameras
                if health.last_keyframe_at is not None
            ),
        )
        yield _gauge(
            "camera_clock_offset_seconds",
            "How far the camera's clock is ahead of ours, when it was last measured.",
            "camera",
            ((name, device.clock.offset_s) for name, device in self.devices.items() if device.clock is not None),
        )

        yield self._image_faults()

    def _image_faults(self) -> Metric:
        """Those that stand: a thousand cameras with a row for each fault that might be would be fourteen thousand."""
        text = "1 while a fault of the camera's picture stands; no row where it does not."
        family = GaugeMetricFamily("gateway_camera_image_fault", text, labels=["camera", "fault"])
        for _, health in self.cameras:
            for fault in health.faults:
                if fault in _IMAGE_FAULTS:
                    family.add_metric([health.camera_id, str(fault)], 1)
        return family

    def _details(self) -> Iterator[Metric]:
        told = [health for _, health in self.cameras]
        yield _counter(
            "camera_reconnects",
            "Times the camera came back after its connection was lost.",
            "camera",
            ((health.camera_id, health.reconnects) for health in told),
        )
        yield _counter(
            "camera_received_bytes",
            "Bytes received from the camera.",
            "camera",
            ((health.camera_id, health.received_bytes) for health in told),
        )
        yield _counter(
            "camera_dropped_units",
            "Access units of the camera that could not be put together.",
            "camera",
            ((health.camera_id, health.dropped) for health in told),
        )
        yield self._info()

    def _info(self) -> Metric:
        labels = ["camera", "area", "vendor", "model", "codec"]
        info = GaugeMetricFamily(
            "gateway_camera_info", "Always 1; what is known of the camera is in labels.", labels=labels
        )
        for camera, health in self.cameras:
            device = self.devices.get(camera.id)
            own = (device and device.information) or DeviceInformation()
            labelled = [camera.id, camera.place.area_code or "", own.vendor, own.model, health.codec or ""]
            info.add_metric(labelled, 1)
        return info

    def _workers(self) -> Iterator[Metric]:
        for name, text, path in _WORKER_GAUGES:
            yield _gauge(f"video_worker_{name}", text, "worker", self._of_workers(path))
        for name, text, path in _WORKER_COUNTERS:
            yield _counter(f"video_worker_{name}", text, "worker", self._of_workers(path))
        yield self._onvif_requests()

    def _onvif_requests(self) -> Metric:
        """By worker, too: what one that died had counted is missing to a sum, which would look like thousands of new ones."""
        text = "What devices were asked over ONVIF; result: ok, fault, refused, unreachable, unreadable."
        family = CounterMetricFamily("gateway_onvif_requests", text, labels=["operation", "result", "worker"])
        for worker, figures in self.workers.items():
            devices = figures.get("devices")
            requests = devices.get("requests") if isinstance(devices, Mapping) else None
            for name, count in (requests or {}).items():
                operation, _, result = name.partition("/")
                family.add_metric([operation, result, worker], count)
        return family

    def _of_workers(self, path: tuple[str, ...]) -> Iterator[tuple[str, float]]:
        for worker, figures in self.workers.items():
            found: Any = figures
            for key in path:
                found = found.get(key) if isinstance(found, Mapping) else None
            if isinstance(found, int | float):
                yield worker, found


_IMAGE_FAULTS = frozenset(ImageFault) - {ImageFault.CLOCK}  # that one has a measure of its own
_WORKER_GAUGES = (
    ("diagnosis_behind_seconds", "How late the latest camera's image diagnosis is.", ("diagnosis", "behind_s")),
    ("resident_memory_bytes", "Memory of the video worker, without its decoder.", ("rss_bytes",)),
    ("ring_bytes", "Encoded keyframes that the video worker keeps.", ("ring", "bytes")),
    ("clip_bytes", "Complete video for clips that the video worker keeps.", ("recorder", "bytes")),
    ("dials_under_way", "Cameras that the video worker is connecting to.", ("dials", "under_way")),
    ("onvif_devices", "ONVIF devices that the video worker keeps a session with.", ("devices", "sessions")),
    ("signals_waiting", "Signals of cameras that the core has not on disk yet.", ("signals", "waiting")),
    ("dials_waiting", "Cameras that wait for their turn to be connected to.", ("dials", "waiting")),
)
_WORKER_COUNTERS = (
    ("diagnosis_looks", "Looks at cameras' pictures by image diagnosis.", ("diagnosis", "looks")),
    ("diagnosis_skipped", "Looks that image diagnosis had no time for.", ("diagnosis", "skipped")),
    ("diagnosis_failed", "Looks at pictures that could not be decoded or measured.", ("diagnosis", "failed")),
    ("diagnosis_cpu_seconds", "CPU time of the decoder for image diagnosis.", ("diagnosis", "cpu_s")),
    ("cpu_seconds", "CPU time of the video worker, without its decoder.", ("cpu_s",)),
    ("ring_dropped", "Keyframes let go because the ring was full.", ("ring", "dropped_over_budget")),
    ("signals_dropped", "Signals of cameras let go because the core did not take them.", ("signals", "dropped")),
    ("decoder_deaths", "Times the decoder child died.", ("decoder", "deaths")),
)


def _gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"gateway_{name}", text, labels=[label])
    for labelled, value in values:
        family.add_metric([labelled], float(value))
    return family


def _counter(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = CounterMetricFamily(f"gateway_{name}", text, labels=[label])
    for labelled, value in values:
        family.add_metric([labelled], value)
    return family
