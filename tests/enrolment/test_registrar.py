"""Cameras found, asked and written down, with a real camera file and hand-written devices."""

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.kinds import SINKS, SOURCES
from adapters.onvif.discovery.probes import Found
from adapters.onvif.inspection.inspector import Channel, Inspection
from adapters.onvif.inspection.profiles import Profile
from adapters.onvif.services import Services
from gateway.config import Loaded, Settings, load
from gateway.config.camera_file import CameraFile
from gateway.config.plan import Difference, Plan, PlanRefused
from gateway.console.registers import Import, Overtaken
from gateway.console.registrar import (
    AlreadyEnrolled,
    ChannelsToChoose,
    Discovered,
    Enrolment,
    NotInForce,
    SearchUnderWay,
)
from gateway.enrolment.registrar import CameraRegistrar
from gateway.enrolment.table import cameras_in
from gateway.errors import AuthFailed, ConfigError, ProtocolFault, UsageError
from gateway.model import DeviceInformation, OnvifAddress

IDENTITY = "00000000-0000-4000-8000-00000000000a"
NODE = """\
# ours
node: {id: zhuyang, area_code: "511724001"}
data_dir: var
cameras:   # 一机一档
  # the first
  - id: cam-1   # kept
    name: 十字口东
    rtsp: {main: "rtsp://10.0.0.4/1"}
# the end
"""
FIRST_NEW = "51172400001320000001"


def inspection(*sources: str, identity: str | None = IDENTITY, vendor: str = "HIKVISION") -> Inspection:
    channels = tuple(
        Channel(source, f"通道{number}", Profile(f"p{number}", stream_url=f"rtsp://10.0.0.5/{number}"), None)
        for number, source in enumerate(sources or ("V1",), 1)
    )
    return Inspection(DeviceInformation(vendor, "DS-2CD"), identity, Services("http://10.0.0.5/x"), channels)


@dataclass
class Devices:
    """What answers on the network. ``password``: the only one that it takes."""

    answer: Inspection = field(default_factory=inspection)
    password: str = "right-word"
    found: list[Found] = field(default_factory=list)
    asked: list[OnvifAddress] = field(default_factory=list)
    searched: list[tuple[Sequence[str], int]] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def inspect(self, address: OnvifAddress) -> Inspection:
        self.asked.append(address)
        if address.credential is None or address.credential.password != self.password:
            raise AuthFailed(f"{address.host}:{address.port} refused the password")
        return self.answer

    async def search(self, interfaces: Sequence[str], ranges: Sequence[Any], timeout: float) -> AsyncIterator[Found]:
        self.searched.append((interfaces, sum(map(len, ranges))))
        if self.hold is not None:
            await self.hold.wait()
        for each in self.found:
            yield each


@dataclass
class Stage:
    directory: Path
    devices: Devices = field(default_factory=Devices)
    reloads: int = 0
    fault: Exception | None = None
    audit: list[tuple[str, str, str | None]] = field(default_factory=list)
    registrar: CameraRegistrar = field(init=False)

    def __post_init__(self) -> None:
        (self.directory / "var").mkdir()
        self.path = self.directory / "node.yaml"
        self.write(NODE)
        file = CameraFile(self.path, self.read)
        self.registrar = CameraRegistrar(file, self.settings, self.devices.inspect, self.reload, self.devices.search)

    def write(self, text: str, name: str = "node.yaml") -> None:
        (self.directory / name).write_text(text, encoding="utf-8", newline="")

    def text(self, name: str = "node.yaml") -> str:
        return (self.directory / name).read_bytes().decode()

    def read(self, path: Path, instead: Mapping[Path, str]) -> Loaded:
        return load(path, sources=SOURCES, sinks=SINKS, instead=instead)

    def settings(self) -> Settings:
        return self.read(self.path, {}).settings

    async def reload(self) -> None:
        self.reloads += 1
        if self.fault is not None:
            raise self.fault

    async def note(self, action: str, object_: str, detail: str | None) -> None:
        self.audit.append((action, object_, detail))

    async def enrol(self, camera: dict[str, Any], **how: Any) -> Sequence[str]:
        return await self.registrar.enrol(Enrolment(camera, **how), self.note)

    def camera(self, name: str) -> Any:
        return next(each for each in self.settings().cameras if each.id == name)

    def secrets(self) -> list[Path]:
        return sorted((self.directory / "secrets").glob("*"))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def onvif(host: str = "10.0.0.5", password: str = "right-word", **more: Any) -> dict[str, Any]:
    return {"host": host, "username": "admin", "password": password, **more}


class TestEnrolling:
    async def test_a_camera_is_asked_written_and_put_in_force(self, stage: Stage) -> None:
        [name] = await stage.enrol({"name": "门口", "onvif": onvif()})
        assert name == FIRST_NEW
        camera = stage.camera(name)
        assert (camera.name, camera.onvif.host, camera.onvif.identity) == ("门口", "10.0.0.5", IDENTITY)
        assert camera.onvif.password.get_secret_value() == "right-word"
        assert camera.rtsp is None
        assert stage.text().startswith(NODE.split("# the end")[0])
        assert stage.text().endswith("# the end\n")
        assert stage.reloads == 1
        assert [each[:2] for each in stage.audit] == [
            ("enrol_camera", "devices/10.0.0.5:80"),
            ("add_camera", f"cameras/{name}"),
        ]

    async def test_the_password_stands_in_a_file_of_its_own(self, stage: Stage) -> None:
        await stage.enrol({"onvif": onvif()})
        [secret] = stage.secrets()
        assert "right-word" not in stage.text()
        assert f"password: {{file: secrets/{secret.name}}}" in stage.text()
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700

    @pytest.mark.parametrize("name", ["../../x", "a/b", "", "x\0y", "a" * 65, "x\n"])
    async def test_no_id_leads_a_password_elsewhere(self, stage: Stage, tmp_path: Path, name: str) -> None:
        for wanted in (name, f"{tmp_path}/{name}x"):
            if wanted:  # an empty one is made of the device
                with pytest.raises((UsageError, ConfigError)):
                    await stage.enrol({"id": wanted, "onvif": onvif()})
        assert (stage.secrets(), stage.text()) == ([], NODE)
        assert sorted(each.name for each in tmp_path.iterdir() if each.name != "secrets") == ["node.yaml", "var"]

    async def test_ids_count_on(self, stage: Stage) -> None:
        await stage.enrol({"onvif": onvif(identity="one")})
        [name] = await stage.enrol({"onvif": onvif("10.0.0.6", identity="two")})
        assert name == "51172400001320000002"

    async def test_without_an_area_the_id_is_of_the_device(self, stage: Stage) -> None:
        stage.write(NODE.replace(', area_code: "511724001"', ""))
        assert list(await stage.enrol({"onvif": onvif()})) == [f"cam-{IDENTITY}"]

    async def test_a_wrong_password_is_tried_once_and_leaves_nothing(self, stage: Stage) -> None:
        with pytest.raises(AuthFailed, match="refused the password"):
            await stage.enrol({"onvif": onvif(password="wrong")})
        assert len(stage.devices.asked) == 1
        assert (stage.text(), stage.secrets(), stage.reloads) == (NODE, [], 0)

    async def test_a_known_address_is_told_before_its_password_is_tried(self, stage: Stage) -> None:
        await stage.enrol({"onvif": onvif()})
        with pytest.raises(AlreadyEnrolled, match=FIRST_NEW):
            await stage.enrol({"onvif": onvif(password="wrong")})
        assert len(stage.devices.asked) == 1

    async def test_a_known_device_at_another_address(self, stage: Stage) -> None:
        await stage.enrol({"onvif": onvif()})
        with pytest.raises(AlreadyEnrolled) as told:
            await stage.enrol({"onvif": onvif("10.0.0.99")})
        assert told.value.cameras == (FIRST_NEW,)
        assert len(stage.secrets()) == 1
        # two that were made with one identity: the second is named by hand
        assert await stage.enrol({"onvif": onvif("10.0.0.99", identity="the-second")})

    async def test_a_known_id(self, stage: Stage) -> None:
        with pytest.raises(AlreadyEnrolled):
            await stage.enrol({"id": "cam-1", "rtsp": {"main": "rtsp://10.0.0.9/1"}})

    @pytest.mark.parametrize("camera", [{"name": "女更衣室"}, {"place": {"type": "宾馆客房"}}])
    async def test_where_the_law_forbids_cameras_none_is_asked(self, stage: Stage, camera: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match="Article 8"):
            await stage.enrol({**camera, "onvif": onvif()})
        assert (stage.devices.asked, stage.text()) == ([], NODE)

    async def test_a_name_told_by_the_device_counts_too(self, stage: Stage) -> None:
        stage.devices.answer = inspection(vendor="女更衣室")
        with pytest.raises(UsageError, match="Article 8"):
            await stage.enrol({"onvif": onvif()})
        assert stage.text() == NODE

    async def test_a_camera_by_its_streams_alone(self, stage: Stage) -> None:
        rtsp = {"main": "rtsp://10.0.0.9/1", "username": "a", "password": "b"}
        [name] = await stage.enrol({"rtsp": rtsp}, inspect=False)
        assert stage.camera(name).rtsp.password.get_secret_value() == "b"
        assert stage.devices.asked == []

    async def test_a_device_without_video(self, stage: Stage) -> None:
        stage.devices.answer = Inspection(DeviceInformation(), None, Services("x"), ())
        with pytest.raises(ProtocolFault, match="offers no video"):
            await stage.enrol({"onvif": onvif()})

    async def test_what_is_written_but_refused_is_told(self, stage: Stage) -> None:
        stage.fault = PlanRefused(Plan(Difference(), Difference(), (), 0.2), "it removes 30 of 100 cameras")
        with pytest.raises(NotInForce, match="30 of 100"):
            await stage.enrol({"onvif": onvif()})
        assert stage.camera(FIRST_NEW)

    async def test_a_file_that_was_broken_by_hand_is_not_written(self, stage: Stage) -> None:
        broken = NODE.replace("name:", "nmae:")
        stage.write(broken)
        with pytest.raises(ConfigError, match="nmae"):
            await stage.enrol({"rtsp": {"main": "rtsp://10.0.0.9/1"}}, inspect=False)
        assert stage.text() == broken

    async def test_many_at_once_are_all_written(self, stage: Stage) -> None:
        wanted = [{"rtsp": {"main": f"rtsp://10.0.1.{number}/1"}} for number in range(8)]
        names = await asyncio.gather(*(stage.enrol(each, inspect=False) for each in wanted))
        assert len({each[0] for each in names}) == 8
        assert len(stage.settings().cameras) == 9

    async def test_mode_and_links_stay(self, stage: Stage) -> None:
        real = stage.directory / "real.yaml"
        stage.path.rename(real)
        stage.path.symlink_to(real)
        real.chmod(0o640)
        await stage.enrol({"rtsp": {"main": "rtsp://10.0.0.9/1"}}, inspect=False)
        assert stage.path.is_symlink()
        assert stat.S_IMODE(real.stat().st_mode) == 0o640
        assert len(stage.settings().cameras) == 2


class TestRecorders:
    async def test_it_lists_its_channels(self, stage: Stage) -> None:
        stage.devices.answer = inspection("V1", "V2")
        with pytest.raises(ChannelsToChoose) as told:
            await stage.enrol({"onvif": onvif()})
        assert told.value.channels == (("V1", "通道1"), ("V2", "通道2"))

    async def test_one_is_chosen_and_later_another(self, stage: Stage) -> None:
        stage.devices.answer = inspection("V1", "V2")
        for source in ("V1", "V2"):
            await stage.enrol({"onvif": onvif(source=source)})
        assert [each.onvif.source for each in stage.settings().cameras[1:]] == ["V1", "V2"]
        with pytest.raises(ChannelsToChoose):
            await stage.enrol({"onvif": onvif(source="V3")})

    async def test_all_of_them_share_one_password_file(self, stage: Stage) -> None:
        stage.devices.answer = inspection("V1", "V2")
        names = await stage.enrol({"id": "nvr", "onvif": onvif()}, all_channels=True)
        assert list(names) == ["nvr-1", "nvr-2"]
        assert len(stage.secrets()) == 1
        await stage.registrar.remove("nvr-1", stage.note)
        assert len(stage.secrets()) == 1
        await stage.registrar.remove("nvr-2", stage.note)
        assert (stage.secrets(), stage.text()) == ([], NODE)


class TestChanging:
    async def test_a_name(self, stage: Stage) -> None:
        await stage.registrar.change("cam-1", {"name": "东", "place": {"lon": 107.2}}, stage.note)
        assert stage.camera("cam-1").name == "东"
        assert "# kept" in stage.text()
        assert stage.audit == [("change_camera", "cameras/cam-1", "name, place")]

    async def test_a_new_password_replaces_the_old_file(self, stage: Stage) -> None:
        [name] = await stage.enrol({"onvif": onvif()})
        before = stage.secrets()
        await stage.registrar.change(name, {"credential": {"username": "root", "password": "new"}}, stage.note)
        camera = stage.camera(name)
        assert (camera.onvif.username, camera.onvif.password.get_secret_value()) == ("root", "new")
        assert len(stage.secrets()) == 1
        assert stage.secrets() != before

    async def test_a_fault_changes_nothing(self, stage: Stage) -> None:
        with pytest.raises(ConfigError):
            await stage.registrar.change("cam-1", {"rtsp": {"main": "nonsense", "password": "x"}}, stage.note)
        assert (stage.text(), stage.secrets(), stage.reloads) == (NODE, [], 0)

    @pytest.mark.parametrize(
        "patch",
        [
            {"onvif": {"host": "10.6.6.6", "tls": True}},
            {"onvif": {"tls": True}},
            {"rtsp": {"main": "rtsps://10.6.6.6/1"}},
            {"rtsp": {"main": "rtsp://10.6.6.6/1", "allow_basic": True}},
            {"rtsp": {"allow_basic": True}},
        ],
    )
    async def test_a_kept_password_is_shown_to_no_new_address(self, stage: Stage, patch: dict[str, Any]) -> None:
        """Or whoever may change a camera could read its password: by making it one's own machine."""
        streams = {"main": "rtsp://10.0.0.5/1", "username": "admin", "password": "right-word"}
        [name] = await stage.enrol({"onvif": onvif(), "rtsp": streams})
        before = stage.text()
        with pytest.raises(UsageError, match="password again"):
            await stage.registrar.change(name, patch, stage.note)
        assert stage.text() == before
        [room] = patch
        await stage.registrar.change(name, {room: {**patch[room], "password": "right-word"}}, stage.note)
        assert stage.text() != before

    async def test_a_camera_that_shows_its_password_already_may_be_changed_otherwise(self, stage: Stage) -> None:
        streams = {"main": "rtsp://10.0.0.5/1", "username": "a", "password": "x", "allow_basic": True}
        [name] = await stage.enrol({"rtsp": streams, "place": {"lon": 107.2, "lat": 30.7}})
        for patch in ({"main": "rtsp://10.0.0.5/2"}, {"sub": "rtsp://10.0.0.5/3"}, {"allow_basic": False}):
            await stage.registrar.change(name, {"rtsp": patch}, stage.note)
        with pytest.raises(UsageError, match="password again"):
            await stage.registrar.change(name, {"rtsp": {"sub": "rtsp://10.6.6.6/3", "allow_basic": True}}, stage.note)

    async def test_to_where_the_law_forbids_it(self, stage: Stage) -> None:
        with pytest.raises(UsageError, match="Article 8"):
            await stage.registrar.change("cam-1", {"place": {"type": "浴室"}}, stage.note)

    async def test_one_that_is_not_there(self, stage: Stage) -> None:
        for work in (stage.registrar.change("x", {}, stage.note), stage.registrar.remove("x", stage.note)):
            with pytest.raises(KeyError):
                await work

    async def test_a_camera_that_a_terminal_names_stays(self, stage: Stage) -> None:
        text = NODE + "terminals:\n- {id: tv-1, cameras: [cam-1]}\n"
        stage.write(text)
        with pytest.raises(ConfigError, match="there is no camera cam-1"):
            await stage.registrar.remove("cam-1", stage.note)
        assert stage.text() == text


class TestTables:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("cameras.csv", "id,name,rtsp.main\nc1,东,rtsp://10.0.0.4/1\n"),
            ("cameras.csv", "\ufeffid,name,rtsp.main\r\nc1,东,rtsp://10.0.0.4/1\r\n"),
            ("cameras.yaml", "# list\n- id: c1  # one\n  name: 东\n  rtsp: {main: 'rtsp://10.0.0.4/1'}\n"),
        ],
    )
    async def test_a_file_of_its_own(self, stage: Stage, name: str, text: str) -> None:
        stage.write(f"node: {{id: z}}\ndata_dir: var\ncameras_file: {name}\n")
        stage.write(text, name)
        main = stage.text()
        [new] = await stage.enrol({"id": "c2", "name": "西, 门", "onvif": onvif(set_clock=True), "place": {"lon": 1.5}})
        camera = stage.camera(new)
        assert (camera.name, camera.onvif.set_clock, camera.place.lon) == ("西, 门", True, 1.5)
        assert camera.onvif.password.get_secret_value() == "right-word"
        assert "right-word" not in stage.text(name)
        await stage.registrar.change("c1", {"name": "南", "rtsp": None, "onvif": {"host": "h"}}, stage.note)
        assert (stage.camera("c1").name, stage.camera("c1").rtsp, stage.camera("c1").onvif.host) == ("南", None, "h")
        await stage.registrar.remove("c2", stage.note)
        assert [each.id for each in stage.settings().cameras] == ["c1"]
        assert stage.text() == main
        assert (stage.text(name).startswith("\ufeff"), "\r\n" in stage.text(name)) == (
            text.startswith("\ufeff"),
            "\r\n" in text,
        )

    async def test_one_in_each_file(self, stage: Stage) -> None:
        stage.write(NODE.replace("data_dir: var\n", "data_dir: var\ncameras_file: more.yaml\n"))
        stage.write("- id: c1\n  name: 东\n  rtsp: {main: 'rtsp://10.0.0.4/1'}\n", "more.yaml")
        await stage.registrar.change("cam-1", {"name": "A"}, stage.note)
        await stage.registrar.change("c1", {"name": "B"}, stage.note)
        assert [each.name for each in stage.settings().cameras] == ["A", "B"]


class Counted(CameraFile):
    """Counts how often the cameras of a file are read as they are written."""

    readings = 0

    def _records(self, path: Path, text: str) -> list[Mapping[str, Any]]:
        self.readings += 1
        return super()._records(path, text)


class TestNewPasswords:
    """A table that changes the passwords of many cameras."""

    @pytest.fixture
    async def many(self, stage: Stage) -> Counted:
        names = [f"n{number}" for number in range(1, 7)]
        for name in names:
            await stage.enrol({"id": name, "onvif": onvif(f"10.0.3.{name[1:]}", f"of {name}")}, inspect=False)
        file = Counted(stage.path, stage.read)
        stage.registrar = CameraRegistrar(file, stage.settings, stage.devices.inspect, stage.reload)
        return file

    async def test_each_has_a_file_of_its_own_and_the_former_are_gone(self, stage: Stage, many: Counted) -> None:
        before = set(stage.secrets())
        assert len(before) == 6
        content = "id,onvif.host,onvif.password\n" + "".join(f"n{n},10.0.3.{n},new {n}\n" for n in (1, 2, 3, 4))
        planned = await stage.registrar.take_table(cameras_in("t.csv", content.encode(), ""), stage.note)
        assert sorted(planned.changed) == ["n1", "n2", "n3", "n4"], planned
        assert stage.camera("n2").onvif.password.get_secret_value() == "new 2"
        assert stage.camera("n5").onvif.password.get_secret_value() == "of n5"
        assert len(stage.secrets()) == 6
        assert len(before & set(stage.secrets())) == 2

    async def test_the_file_is_read_once_for_all_of_them(self, stage: Stage, many: Counted) -> None:
        """Of a thousand cameras each reading takes seconds, while nobody else can write."""
        content = "id,onvif.host,onvif.password\n" + "".join(f"n{n},10.0.3.{n},new {n}\n" for n in range(1, 7))
        await stage.registrar.take_table(cameras_in("t.csv", content.encode(), ""), stage.note)
        assert many.readings == 1

    async def test_none_is_read_where_no_password_changes(self, stage: Stage, many: Counted) -> None:
        await stage.registrar.take_table(cameras_in("t.csv", b"id,name\nn1,A\nn2,B\n", ""), stage.note)
        assert stage.camera("n2").name == "B"
        assert many.readings == 0


async def test_what_was_agreed_to_is_compared_on_a_thread(stage: Stage) -> None:
    """Of twenty thousand rows it takes a while, and the loop is everybody's."""
    asked: list[tuple[int, list[str]]] = []

    def agreed(planned: Import) -> None:
        asked.append((threading.get_ident(), list(planned.changed)))

    table = cameras_in("t.csv", "id,name\ncam-1,东门\n".encode(), "")
    await stage.registrar.take_table(table, stage.note, agreed=agreed)
    [(thread, changed)] = asked
    assert changed == ["cam-1"]
    assert thread != threading.get_ident()


async def test_what_was_not_agreed_to_is_not_written(stage: Stage) -> None:
    def agreed(planned: Import) -> None:
        raise Overtaken("it has changed")

    table = cameras_in("t.csv", "id,name\ncam-1,东门\n".encode(), "")
    with pytest.raises(Overtaken):
        await stage.registrar.take_table(table, stage.note, agreed=agreed)
    assert (stage.text(), stage.audit) == (NODE, [])


class TestIdentity:
    @pytest.mark.parametrize("told", [None, "SN-0001"])
    async def test_the_uuid_of_its_answer_to_a_search_goes_before_a_serial_number(
        self, stage: Stage, told: str | None
    ) -> None:
        stage.devices.answer = inspection(identity=told)
        stage.devices.found = [
            Found("00000000-0000-4000-8000-00000000000b", "10.0.0.6"),  # another device
            Found("", "10.0.0.5"),
            Found(IDENTITY, "10.0.0.5"),
        ]
        [name] = await stage.enrol({"onvif": onvif()})
        assert stage.camera(name).onvif.identity == IDENTITY
        assert [count for _, count in stage.devices.searched] == [1]

    async def test_what_it_says_when_asked_stands_where_it_answers_no_search(self, stage: Stage) -> None:
        stage.devices.answer = inspection(identity="SN-0001")
        [name] = await stage.enrol({"onvif": onvif("camera.example")})
        assert stage.camera(name).onvif.identity == "SN-0001"


class TestMoving:
    async def test_device_and_streams_move_together(self, stage: Stage) -> None:
        stage.devices.answer = inspection("V1", "V2")
        rtsp = {"main": "rtsp://10.0.0.5:554/1?a=b", "sub": "rtsp://10.0.0.200/x"}
        names = await stage.enrol({"onvif": onvif(), "rtsp": rtsp}, all_channels=True)
        moved = await stage.registrar.move(IDENTITY, "10.0.0.77", 8080, False, stage.note)
        assert list(moved) == list(names)
        for name in names:
            camera = stage.camera(name)
            assert (camera.onvif.host, camera.onvif.port, camera.onvif.username) == ("10.0.0.77", 8080, "admin")
            assert (camera.rtsp.main, camera.rtsp.sub) == ("rtsp://10.0.0.77:554/1?a=b", "rtsp://10.0.0.200/x")
        assert stage.audit[-1] == ("camera_moved", f"cameras/{names[1]}", "10.0.0.5:80 → 10.0.0.77:8080")
        reloads = stage.reloads
        assert list(await stage.registrar.move(IDENTITY, "10.0.0.77", 8080, False, stage.note)) == []
        assert (stage.reloads, len(stage.settings().cameras)) == (reloads, 3)


class TestSearching:
    async def test_what_is_enrolled_is_marked_by_identity_else_by_host(self, stage: Stage) -> None:
        await stage.enrol({"id": "by-uuid", "onvif": onvif()})
        stage.devices.found = [
            Found(IDENTITY, "10.0.0.88"),
            Found("other", "10.0.0.4"),
            Found("nat", "10.0.0.5", 8080),
            Found("", "10.0.0.6"),
        ]
        found = await stage.registrar.discover(1, ["10.0.0.0/30"])
        assert [(each.host, each.cameras) for each in found] == [
            ("10.0.0.4", ("cam-1",)),
            ("10.0.0.5", ()),  # another device behind the same address
            ("10.0.0.6", ()),
            ("10.0.0.88", ("by-uuid",)),
        ]
        assert stage.devices.searched == [((), 2)]
        assert isinstance(found[0], Discovered)

    async def test_one_at_a_time(self, stage: Stage) -> None:
        stage.devices.hold = asyncio.Event()
        first = asyncio.create_task(stage.registrar.discover(1))
        while not stage.devices.searched:
            await asyncio.sleep(0)
        with pytest.raises(SearchUnderWay):
            await stage.registrar.discover(1)
        stage.devices.hold.set()
        assert await first == []

    @pytest.mark.parametrize("ranges", [["x"], ["10.0.0.0/16", "10.1.0.0/16"]])
    async def test_ranges_that_are_none(self, stage: Stage, ranges: list[str]) -> None:
        with pytest.raises(UsageError):
            await stage.registrar.discover(1, ranges)


async def test_somebody_elses_edit_is_never_written_over(stage: Stage) -> None:
    """An editor saves while the change is being tried: both changes are there in the end."""
    read = stage.read
    edits: list[Callable[[], None]] = [lambda: stage.write(stage.text() + "# edited by hand\n")]

    def read_while_somebody_edits(path: Path, instead: Mapping[Path, str]) -> Loaded:
        loaded = read(path, instead)
        if instead and edits:
            edits.pop()()
        return loaded

    file = CameraFile(stage.path, read_while_somebody_edits)
    registrar = CameraRegistrar(file, stage.settings, stage.devices.inspect, stage.reload)
    await registrar.enrol(Enrolment({"id": "c9", "rtsp": {"main": "rtsp://10.0.0.9/1"}}, inspect=False), stage.note)
    assert "# edited by hand" in stage.text()
    assert [each.id for each in stage.settings().cameras] == ["cam-1", "c9"]


async def test_nothing_is_left_beside_the_file(stage: Stage) -> None:
    await stage.enrol({"onvif": onvif()})
    assert sorted(each.name for each in stage.directory.iterdir()) == ["node.yaml", "secrets", "var"]


@pytest.mark.parametrize("area", ["511724001", ""])
async def test_an_id_is_never_given_again(stage: Stage, area: str) -> None:
    """Alerts name cameras by their ids."""
    if not area:
        stage.write(NODE.replace(', area_code: "511724001"', ""))
    given = []
    for _ in range(3):
        (name,) = await stage.enrol({"rtsp": {"main": "rtsp://10.0.0.77/1"}})
        given.append(name)
        await stage.registrar.remove(name, stage.note)
    assert len(set(given)) == 3


async def test_a_file_of_many_cameras_is_read_as_seldom_as_can_be(stage: Stage) -> None:
    """Each reading of a thousand cameras takes seconds of a processor."""
    read: list[bool] = []
    whole = stage.read

    def counted(path: Path, instead: Mapping[Path, str]) -> Loaded:
        read.append(bool(instead))
        return whole(path, instead)

    os.utime(stage.path, (1, 1))  # written long ago
    file = CameraFile(stage.path, counted)
    registrar = CameraRegistrar(file, stage.settings, stage.devices.inspect, stage.reload, stage.devices.search)
    for host, readings in (("10.0.0.77", [False, True]), ("10.0.0.78", [True])):
        read.clear()
        camera = {"rtsp": {"main": f"rtsp://{host}/1", "username": "u", "password": f"of {host}"}}
        await registrar.enrol(Enrolment(camera), stage.note)
        assert read == readings
    (secret, *_) = stage.secrets()
    secret.write_text("another word\n")
    await registrar.enrol(Enrolment({"rtsp": {"main": "rtsp://10.0.0.79/1"}}), stage.note)
    stage.write(stage.text().replace("十字口东", "十字口西"))
    (name,) = await registrar.enrol(Enrolment({"rtsp": {"main": "rtsp://10.0.0.80/1"}}), stage.note)
    assert (stage.camera("cam-1").name, len(stage.settings().cameras)) == ("十字口西", 5)
    await registrar.remove(name, stage.note)
    assert len(stage.settings().cameras) == 4
