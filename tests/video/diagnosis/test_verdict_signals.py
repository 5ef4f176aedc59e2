"""Verdicts out of what workers tell, and back into what becomes an alert."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.alerts import image_faults
from gateway.model import DeviceSignal, Kind
from gateway.video.diagnosis.verdict_signals import fault_of, is_held_back, is_verdict, named, verdict_of
from gateway.video.diagnosis.wire import TOPIC

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def signal(**detail: Any) -> DeviceSignal:
    return DeviceSignal("run-1", "c1", Kind.IMAGE_FAULT, AT, 100.0, True, topic=TOPIC, detail=detail)


def test_a_verdict_is_told_from_what_a_device_says_itself() -> None:
    assert is_verdict(signal())
    assert not is_verdict(replace(signal(), topic="tns1:VideoSource/GlobalSceneChange/AnalyticsService"))
    assert not is_verdict(replace(signal(), kind=Kind.TAMPER))


def test_it_carries_its_keyframe_and_its_measures() -> None:
    told = signal(fault="blurred", night=True, frame="k1", frame_mono=97.5, measures={"blur": 3.5})
    verdict = verdict_of(told, "new lamps", "boot-1")
    assert (verdict.signal, verdict.camera, verdict.fault, verdict.night) == ("run-1", "c1", "blurred", True)
    assert (verdict.since, verdict.since_mono, verdict.boot) == (AT, 100.0, "boot-1")
    assert (verdict.frame, verdict.frame_mono, verdict.measures) == ("k1", 97.5, {"blur": 3.5})
    assert is_held_back(verdict) and not is_held_back(replace(verdict, planned=None)) and not is_held_back(None)


def test_what_a_worker_tells_wrongly_is_left_out() -> None:
    verdict = verdict_of(signal(fault="unheard of", night="yes", frame=7, frame_mono="x", measures=[1]), None, "boot-1")
    assert (verdict.fault, verdict.night, verdict.frame, verdict.measures) == ("", False, None, {})
    assert verdict.frame_mono == 100.0


def test_the_alert_hears_which_verdict_it_is_of() -> None:
    told = signal(fault="blurred", frame="k1", measures={"blur": 3.5})
    verdict = verdict_of(told, None, "boot-1")
    heard = named(told, verdict)
    assert heard.detail[image_faults.VERDICT] == verdict.id
    assert fault_of(heard) == "blurred"
    assert "frame" not in heard.detail
    assert named(told, None) is told
