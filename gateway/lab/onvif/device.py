"""One simulated ONVIF device: what it is, how it acts, and the addresses and times that it tells."""

import time
from collections.abc import Callable

from gateway.lab.onvif.answers import Coding, Profile
from gateway.lab.onvif.event_service import EventService
from gateway.lab.onvif.faults import Behaviour
from gateway.lab.onvif.figures import Figures
from gateway.lab.onvif.login import Door
from gateway.lab.onvif.nameplate import MAIN, SUB, Nameplate
from gateway.lab.onvif.soap import bad_moment, envelope, moment
from gateway.model import Credential


class SimulatedDevice:
    """At ``host:port``. ``stream`` names the RTSP address of a channel's main or sub stream, and ``picture`` gives a JPEG.
    ``now`` is a monotonic clock, ``today`` the true time in seconds since 1970."""

    def __init__(
        self,
        plate: Nameplate,
        *,
        credential: Credential | None,
        behaviour: Behaviour,
        stream: Callable[[int, str], str],
        picture: Callable[[int], bytes],
        now: Callable[[], float] = time.monotonic,
        today: Callable[[], float] = time.time,
    ) -> None:
        self.plate, self.behaviour = plate, behaviour
        self.host, self.port = "", 0
        self.stream, self.picture = stream, picture
        self.figures = Figures()
        self.preset: dict[int, str] = {}  # of each channel, where its dome was last turned to
        self.moves: list[tuple[int, float, float, float]] = []  # channel, pan, tilt, zoom; all 0 is a stop
        self._today = today
        self._usual = behaviour
        self._adjusted = 0.0  # what SetSystemDateAndTime added to its clock
        self.door = Door(credential, behaviour, self.clock, now)
        self.events = EventService(self, now)
        self.subscriptions = self.events.subscriptions

    # ------------------------------------------------------------------------------------------------- what it is

    @property
    def name(self) -> str:
        return self.plate.name or f"lab {self.plate.number}"

    @property
    def channels(self) -> range:
        """The numbers of its cameras among all of the park: a recorder's follow one another."""
        first = self.plate.before + (self.plate.number - 1) * self.plate.channels + 1
        return range(first, first + self.plate.channels)

    @property
    def profiles(self) -> list[Profile]:
        encoding = "H265" if self.behaviour.h265 else "H264"
        return [
            Profile(f"{name}{source}", source, Coding(encoding, one.width, one.height, one.fps, one.kbit))
            for source in range(1, self.plate.channels + 1)
            for name, one in (("Main", MAIN), ("Sub", SUB))
        ]

    @property
    def scopes(self) -> list[str]:
        said = (f"name/{self.name.replace(' ', '_')}", f"hardware/{self.plate.model.replace(' ', '_')}", "location/lab")
        kinds = ("type/video_encoder", "type/ptz", "Profile/Streaming", "Profile/T")
        return [f"onvif://www.onvif.org/{one}" for one in (*kinds, *said)]

    @property
    def noticed(self) -> int:
        """How many events so far."""
        return self.events.noticed

    def to_json(self) -> dict[str, object]:
        """What it saw and sees, for machines."""
        told = self.figures.to_json(len(self.subscriptions), self.subscriptions.pulling)
        return told | {"locked": self.door.locked, "preset": self.preset, "moves": self.moves[-20:]}

    # ------------------------------------------------------------------------------------------------ how it acts

    def behave(self, behaviour: Behaviour) -> None:
        """Act so from now on."""
        if behaviour.clock_s != self.behaviour.clock_s:
            self._adjusted = 0.0
        self.behaviour = behaviour
        self.door.behave(behaviour)
        if behaviour.flapping:
            self.events.flap()

    def clear(self) -> None:
        """Be sound again, and unlocked."""
        self._adjusted = 0.0
        self.door.unlock()
        self.behave(self._usual)

    def fire(self, event: str, active: bool = True, place: int = 1) -> None:
        """Notice something, see ``EventService.notice``."""
        self.events.notice(event, active, place)

    def close(self) -> None:
        self.events.close()

    # ----------------------------------------------------------------------------------------------- what it tells

    @property
    def base(self) -> str:
        """What its own addresses begin with; not always where it can be reached."""
        return f"http://{self.told_host}:{self.port}" + (f":{self.port}" if self.behaviour.hosts == "doubled" else "")

    @property
    def told_host(self) -> str:
        return f"192.168.1.{self.plate.number % 250 + 2}" if self.behaviour.hosts == "nat" else self.host

    def clock(self) -> float:
        """Its own time in seconds since 1970."""
        return self._today() + self.behaviour.clock_s + self._adjusted

    def set_clock(self, at: float) -> None:
        """Seconds since 1970."""
        self._adjusted += at - self.clock()

    def follow_ntp(self) -> None:
        """Have the true time."""
        self._adjusted = -self.behaviour.clock_s

    def moment(self, at: float) -> str:
        return bad_moment(at, self.noticed) if self.behaviour.bad_times else moment(at)

    def written(self, body: str) -> bytes:
        """A whole answer."""
        whole = envelope(body)
        if self.behaviour.gbk:
            whole = whole.decode().encode("gb18030")
        return self.behaviour.junk + whole
