"""The figures of presses: spreads, what was lost or doubled, as a table and as a plot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.lab.bench.plot import Line, line_plot
from gateway.lab.report import machine_line, print_table, quantile
from gateway.lab.terminals import PressTimes

SHARES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
NAMES = {
    "r1_ms": "press to R1, received",
    "r2_ms": "press to R2, at the county",
    "screen_ms": "press to a county screen",
    "picture_ms": "press to its picture of -5 s at the county",
    "fsync_ms": "append 1 KiB + fdatasync",
}


def spread(seconds: Sequence[float]) -> dict[str, float | int]:
    """In milliseconds, and how many were measured."""
    if not seconds:
        return {"measured": 0}
    return {"measured": len(seconds)} | {name: round(1000 * quantile(seconds, share), 1) for name, share in SHARES}


def times_of(
    times: Sequence[PressTimes], seen: Mapping[str, float], pictures: Mapping[str, float], fsyncs: Sequence[float]
) -> dict[str, list[float]]:
    """Seconds from each press to what NAMES names."""
    return {
        "r1_ms": [one.r1 for one in times if one.r1 is not None],
        "r2_ms": [one.r2 for one in times if one.r2 is not None],
        "screen_ms": [seen[one.press_id] - one.started for one in times if one.press_id in seen],
        "picture_ms": [pictures[one.press_id] - one.started for one in times if one.press_id in pictures],
        "fsync_ms": list(fsyncs),
    }


def press_ids(alerts: Sequence[dict[str, Any]]) -> Counter[str]:
    return Counter(press_id for alert in alerts for press_id in alert["detail"].get("press_ids", []))


def pictures_of(alerts: Sequence[dict[str, Any]]) -> Counter[str]:
    states = [shot["state"] for alert in alerts for camera in alert["cameras"] for shot in camera["snapshots"]]
    return Counter({"ready": 0, "failed": 0, "pending": 0}) + Counter(states)


def result(
    times: Sequence[PressTimes],
    seen: Mapping[str, float],
    pictures: Mapping[str, float],
    fsyncs: Sequence[float],
    alerts: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    there, states = press_ids(alerts), pictures_of(alerts)
    return {name: spread(seconds) for name, seconds in times_of(times, seen, pictures, fsyncs).items()} | {
        "unanswered": sum(one.r1 is None for one in times),
        "without_r2": sum(one.r2 is None for one in times),
        "repeated_by_terminals": sum(one.sent - 1 for one in times),
        "lost": sum(one.r1 is not None and one.press_id not in there for one in times),
        "doubled": sum(count - 1 for count in there.values()),
        "alerts": len(alerts),
        "pictures": {state: states[state] for state in ("ready", "failed", "pending")},
    }


def print_figures(result: dict[str, Any]) -> None:
    rows = [
        (
            name,
            str(result[key]["measured"]),
            *(f"{result[key].get(share, float('nan')):.1f} ms" for share, _ in SHARES),
        )
        for key, name in NAMES.items()
    ]
    pictures = result["pictures"]
    title = (
        f"{result['presses']} presses at {result['rate']:g}/s through {result['broker']}, "
        f"{result['cameras']} cameras running\n{machine_line()}, load {result['load_average']:.1f}\n"
        f"lost {result['lost']}, doubled {result['doubled']}, unanswered {result['unanswered']}; "
        f"{result['alerts']} alerts; pictures: {pictures['ready']} ready, {pictures['failed']} failed, "
        f"{pictures['pending']} pending"
    )
    print_table(title, ("", "measured", *(share for share, _ in SHARES)), rows)


def plot(title: str, times: Mapping[str, Sequence[float]]) -> str:
    """SVG: over the share of presses (in percent), within how many milliseconds each thing had happened."""
    lines = [
        Line(name, [(percent, 1000 * quantile(seconds, percent / 100)) for percent in (*range(5, 100, 5), 99, 100)])
        for key, name in (("r1_ms", "R1"), ("r2_ms", "R2"), ("screen_ms", "screen"))
        if (seconds := times[key])
    ]
    return line_plot(f"{title}: milliseconds", "share of the presses, percent", lines)
