"""``gateway bench …`` on the command line; what a bench needs is loaded when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import UsageError

bench = typer.Typer(
    no_args_is_help=True, help="The measurements of the README and of deploy/CAPACITY.md, on this machine."
)

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Rounds = Annotated[int, typer.Option(min=1, max=50, help="Rounds; the median counts.")]
Seconds = Annotated[float, typer.Option(min=2, help="Length of each measurement.")]


def _stream(name: str) -> str:
    if name not in ("sub", "main"):
        raise UsageError(f"--stream {name}: sub (512 kbit/s) or main (1080p, 4 Mbit/s) is accepted")
    return name


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or not all(1 <= size <= 5000 for size in sizes):
        raise UsageError(f"--cameras {text}: numbers from 1 to 5000, separated by commas, are accepted")
    return sizes


@bench.command("ingest")
def ingest(
    as_json: AsJson = False,
    cameras: Annotated[str, typer.Option(help="How many; several sizes separated by commas.")] = "50",
    stream: Annotated[str, typer.Option(help="sub: 512 kbit/s, main: 1080p at 4 Mbit/s.")] = "main",
    seconds: Seconds = 20.0,
    rounds: Rounds = 3,
    peers: Annotated[bool, typer.Option(help="Compare with ffmpeg and OpenCV at the first size.")] = True,
    plot: Annotated[Path | None, typer.Option(help="Write a plot (SVG) to this file.")] = None,
    flame: Annotated[Path | None, typer.Option(help="Write a flame graph (SVG) of a worker to this file.")] = None,
) -> int:
    """CPU and memory of a whole node, beside ffmpeg -c copy and cv2.VideoCapture on the same streams."""
    from gateway.lab.bench.ingest import run_bench_ingest

    return run_bench_ingest(
        as_json,
        cameras=_sizes(cameras),
        stream=_stream(stream),
        seconds=seconds,
        rounds=rounds,
        peers=peers,
        plot=plot,
        flame=flame,
    )


@bench.command("alarms")
def alarms(
    as_json: AsJson = False,
    presses: Annotated[int, typer.Option(min=1)] = 400,
    rate: Annotated[float, typer.Option(min=0.1, help="Presses a second.")] = 20.0,
    storm: Annotated[bool, typer.Option(help="2,000 presses in 10 s while 200 cameras run.")] = False,
    viewers: Annotated[
        int, typer.Option(min=0, max=64, help="Live views of a camera meanwhile, by receivers that decode nothing.")
    ] = 0,
    backlog: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Instead: an outage's so many alerts with pictures, and its end.")
    ] = 0,
    budget: Annotated[str | None, typer.Option(help="Of the uplink in --backlog, such as 20 Mbit/s.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a plot (SVG) to this file.")] = None,
) -> int:
    """Press → R1, R2, a county screen and the picture from before, through two real nodes and a real broker."""
    from gateway.lab.bench.alarms import run_bench_alarms
    from gateway.lab.bench.backlog import run_bench_backlog

    if backlog:
        return run_bench_backlog(as_json, alerts=backlog, budget=budget)
    return run_bench_alarms(as_json, presses=presses, rate=rate, storm=storm, viewers=viewers, plot=plot)


@bench.command("recovery")
def recovery(
    as_json: AsJson = False,
    cameras: Annotated[int, typer.Option(min=1, max=5000)] = 1000,
    dark: Annotated[float, typer.Option(min=1, help="Seconds without power.")] = 60.0,
) -> int:
    """All cameras lose their power and return, presses go on: how soon is everybody back, and how many dials at once?"""
    from gateway.lab.bench.recovery import run_bench_recovery

    return run_bench_recovery(as_json, cameras=cameras, dark=dark)


@bench.command("clips")
def clips(
    as_json: AsJson = False,
    cameras: Annotated[int, typer.Option(min=1, max=2000)] = 200,
    seconds: Seconds = 20.0,
    rounds: Rounds = 3,
) -> int:
    """What keeping the last 30 s of a sub-stream costs beyond keyframes only."""
    from gateway.lab.bench.clips import run_bench_clips

    return run_bench_clips(as_json, cameras=cameras, seconds=seconds, rounds=rounds)


@bench.command("pictures")
def pictures(
    as_json: AsJson = False,
    looks: Annotated[int, typer.Option(min=1, help="Pictures on demand.")] = 200,
    rounds: Rounds = 3,
    stream: Annotated[str, typer.Option(help="sub: 512 kbit/s, main: 1080p at 4 Mbit/s.")] = "main",
) -> int:
    """A picture on demand; then ten alerts at once with four cameras each, until their pictures are at the county."""
    from gateway.lab.bench.pictures import run_bench_pictures

    return run_bench_pictures(as_json, looks=looks, rounds=rounds, stream=_stream(stream))


@bench.command("faults")
def faults(
    as_json: AsJson = False,
    cameras: Annotated[int, typer.Option(min=2, max=2000)] = 200,
    minutes: Annotated[float, typer.Option(min=0.2)] = 10.0,
    period: Annotated[float, typer.Option(min=5, help="Seconds until other cameras fail.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Draws the same faults again.")] = 1,
) -> int:
    """A day's worth of faults in minutes: what leaks, and does a healthy camera notice?"""
    from gateway.lab.bench.faults import run_bench_faults

    return run_bench_faults(as_json, cameras=cameras, minutes=minutes, period=period, seed=seed)


@bench.command("onvif")
def onvif(
    as_json: AsJson = False,
    devices: Annotated[int, typer.Option(min=1, max=2000)] = 500,
    rate: Annotated[float, typer.Option(min=0.1, max=5000, help="Events a second of all devices together.")] = 100.0,
    seconds: Seconds = 20.0,
    rounds: Rounds = 3,
    peers: Annotated[bool, typer.Option(help="Compare with onvif-zeep-async and onvif-zeep.")] = True,
) -> int:
    """Hundreds of ONVIF devices with events on one video worker, beside the usual libraries."""
    from gateway.lab.bench.onvif import run_bench_onvif

    ways = ("async", "blocking") if peers else ()
    return run_bench_onvif(as_json, devices=devices, rate=rate, seconds=seconds, rounds=rounds, peers=ways)


@bench.command("live")
def live(
    as_json: AsJson = False,
    viewers: Annotated[int, typer.Option(min=1, max=64)] = 10,
    seconds: Seconds = 20.0,
    starts: Annotated[
        int, typer.Option(min=1, max=200, help="Views begun, one after the other; the median counts.")
    ] = 20,
) -> int:
    """Live views of a sub-stream by receivers that decode nothing: CPU of each, and how soon it moves."""
    from gateway.lab.bench.live import run_bench_live

    return run_bench_live(as_json, viewers=viewers, seconds=seconds, starts=starts)


@bench.command("desk")
def desk(
    as_json: AsJson = False,
    presses: Annotated[int, typer.Option(min=1, max=2000)] = 100,
    live: Annotated[bool, typer.Option(help="Instead: from a click to moving pictures.")] = False,
    views: Annotated[int, typer.Option(min=1, max=200, help="Of --live, with the GOP kept and without.")] = 20,
) -> int:
    """Press → row and sound in a real Chromium, through two real nodes and a real broker."""
    from gateway.lab.bench.desk import run_bench_desk

    return run_bench_desk(as_json, presses=presses, live=live, views=views)


@bench.command("ledger")
def ledger(
    as_json: AsJson = False,
    alerts: Annotated[int, typer.Option(min=2_000, max=10_000_000)] = 1_000_000,
    folder: Annotated[Path | None, typer.Option(help="Where there is room for it: 4 KiB an alert.")] = None,
) -> int:
    """Pages and steps of a press and of every list with a thousand alerts and with a million; start to ready."""
    from gateway.lab.bench.ledger import run_bench_ledger

    return run_bench_ledger(as_json, alerts=alerts, folder=folder)


@bench.command("figures")
def figures(
    as_json: AsJson = False,
    cameras: Annotated[int, typer.Option(min=1, max=5000)] = 1_000,
    alerts: Annotated[int, typer.Option(min=0, max=10_000, help="A day.")] = 100,
    losses: Annotated[float, typer.Option(min=0, max=20, help="Outages of a camera a day.")] = 1.0,
    folder: Annotated[Path | None, typer.Option(help="Where there is room for it.")] = None,
) -> int:
    """A year of figures: the room it takes, how soon its report is there, and whether presses wait for it."""
    from gateway.lab.bench.figures import run_bench_figures

    return run_bench_figures(as_json, cameras=cameras, alerts=alerts, losses=losses, folder=folder)


@bench.command("diagnosis")
def diagnosis(
    as_json: AsJson = False,
    cameras: Annotated[int, typer.Option(min=1, max=5000, help="How many cameras are looked at.")] = 1000,
    stream: Annotated[str, typer.Option(help="sub: 640x360, main: 1080p.")] = "sub",
) -> int:
    """CPU of the patrol of image diagnosis: decoder child and worker, a look at each camera."""
    from gateway.lab.bench.diagnosis import run_bench_diagnosis

    return run_bench_diagnosis(as_json, cameras=cameras, stream=_stream(stream))
