"""What a county knows of its township: its devices, its silence, its orderly stop. Real processes."""

import os
import signal
from typing import Any


def township(town: Any) -> Any:
    return next((node for node in town.county.get("/nodes")["items"] if node["id"] == "zhuyang"), None)


def state(town: Any) -> str | None:
    found = township(town)
    return None if found is None else found["state"]


def silences(town: Any) -> list[dict[str, Any]]:
    return [each for each in town.county.alerts() if each["source"]["type"] == "node"]


def test_a_county_knows_its_township_and_misses_it_while_it_is_silent(town, seen) -> None:  # type: ignore[no-untyped-def]
    town.start()
    own = {each["id"] for each in town.township.get("/cameras")["items"]}
    terminals = {each["id"] for each in town.township.get("/terminals")["items"]}
    wanted = {f"zhuyang:{each}" for each in own | terminals}

    def listed() -> bool:
        found = [each["id"] for path in ("/cameras", "/terminals") for each in town.county.get(path)["items"]]
        return wanted <= set(found)

    seen("the township's devices at the county", listed)
    camera = sorted(own)[0]
    seen("its camera online there", lambda: town.county.get(f"/cameras/zhuyang:{camera}")["state"] == "online")
    node = township(town)
    assert (node["state"], node["level"], node["parent"]) == ("online", "township", "dazhu")
    assert node["cameras"]["total"] == len(own) and "alerts_open" in node["figures"]

    process = town.township.process
    os.kill(process.pid, signal.SIGSTOP)  # its sockets stay open: a silent path
    try:
        seen("the silence", lambda: state(town) == "silent")
        (alert,) = seen("its alert", lambda: silences(town))
        assert (alert["kind"], alert["severity"], alert["source"]["id"]) == ("device_offline", 3, "zhuyang")
        assert alert["condition"] == "active"
        assert town.county.get(f"/cameras/zhuyang:{camera}")["state"] == "offline"
        town.county.kill()
        town.county.start()
        seen("the silence again", lambda: state(town) == "silent")
        assert [each["id"] for each in silences(town)] == [alert["id"]]
    finally:
        os.kill(process.pid, signal.SIGCONT)
    seen("the township back", lambda: state(town) == "online")
    seen("the alert taken back", lambda: [each["condition"] for each in silences(town)] == ["cleared"])
    seen("its devices at a county that was started anew", listed)

    missed = 1
    for _ in range(5):  # a busy machine may not find the half second that it has for its last words
        assert town.township.stop() == 0
        seen("its stop", lambda: state(town) in ("stopped", "silent"))
        if state(town) == "stopped":
            break
        missed += 1
        seen("that silence told", lambda missed=missed: len(silences(town)) == missed)
        town.township.start()
        seen("the township back", lambda: state(town) == "online")
    assert state(town) == "stopped"
    assert len(silences(town)) == missed  # a goodbye is none
