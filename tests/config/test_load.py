import shutil
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kinds import SINKS, SOURCES
from gateway.config import Settings, json_schema, load
from gateway.errors import ConfigError
from gateway.model import Camera, Credential, Scene
from gateway.settings import Strict

CONFIGS = Path(__file__).parents[2] / "configs"
MINIMAL = "node: {id: zhuyang}\ndata_dir: var\n"


def read(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "node.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, sources=SOURCES, sinks=SINKS).settings


def faults(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return tuple(fault.removeprefix(f"{tmp_path / 'node.yaml'}:") for fault in caught.value.faults)


def test_relative_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    assert read(tmp_path, MINIMAL).data_dir == tmp_path / "var"


def test_an_unknown_key_names_its_line_its_path_and_the_nearest_known_key(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, MINIMAL + "http:\n  lisen: 127.0.0.1:1\n")
    assert fault.startswith("4: http.lisen: unknown key; the nearest known key is listen; known are listen, tls")


def test_an_unknown_key_in_a_source_names_the_keys_of_its_kind(tmp_path: Path) -> None:
    (fault,) = faults(
        tmp_path,
        MINIMAL + "sources:\n  - kind: mqtt\n    id: tv\n    uri: mqtt://127.0.0.1\n    url: mqtt://127.0.0.1\n",
    )
    assert fault.startswith("6: sources[0].uri: unknown key; the nearest known key is url")


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, "node: {id: 'a b', level: hamlet}\nhttp: {listen: nowhere}\n")
    assert len(found) == 4
    assert any("data_dir: is missing" in fault for fault in found)
    assert any("node.level: 'hamlet' is not accepted; accepted are 'village', 'township'" in fault for fault in found)
    assert any("http.listen: an address to listen on is HOST:PORT" in fault for fault in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sources: [{kind: mqt, id: a}]", "sources[0]: kind is missing or unknown; accepted are mqtt, cascade"),
        ("cameras: [{id: a}, {id: a}]", "cameras[1].id: a stands twice"),
        ("terminals: [{id: t, cameras: [cam-9]}]", "there is no camera cam-9"),
        ("terminals: [{id: t, presets: {cam-9: 大门}}]", "terminals[0].presets: there is no camera cam-9"),
        (
            "cameras: [{id: gate-1}]\nalerts: {rules: [{cameras: ['gate-*', gate-2]}]}",
            "alerts.rules[0].cameras: there is no camera gate-2; the nearest is gate-1",
        ),
        ("alerts: {arming: [{cameras: [x]}]}", "alerts.arming[0].cameras: there is no camera x"),
        ("alerts: {rules: [{between: 9-17}]}", 'alerts.rules[0].between: hours are "HH:MM-HH:MM" in local time'),
        ("alerts: {rules: [{between: '24:00-06:00'}]}", "alerts.rules[0].between: hours are"),
        ("alerts: {rules: [{kinds: [moton]}]}", "alerts.rules[0].kinds[0]: 'moton' is not accepted"),
        ("alerts: {timezone: ../etc/passwd}", "alerts.timezone: ../etc/passwd is not a time zone"),
        ("terminals: [{id: t, neighbours: [u]}]", "there is no terminal u"),
        ("cameras: [{id: a, rtsp: {main: 'rtsp://u:p@h/x'}}]", "credentials do not stand in the address"),
        ("cameras: [{id: a, rtsp: {main: 'ftp://h/x'}}]", "a stream address is rtsp://"),
        ("cameras: [{id: a, place: {lon: 200}}]", "cameras[0].place.lon: "),
        ("alerts: {merge_window: soon}", "alerts.merge_window: a duration is seconds"),
        ("alerts: {grading: {sos: 5}}", "alerts.grading.sos"),
        (
            "sinks: [{kind: cascade, id: c, url: 'http://h', token: {env: GATEWAY_TEST_UNSET}}]",
            "GATEWAY_TEST_UNSET is not set",
        ),
        ("sinks: [{kind: cascade, id: c, url: 'http://h', token: {file: none.token}}]", "cannot read the secret file"),
        ("cameras_file: none.csv", "none.csv: cannot be read"),
        ("http: {tls: {certificate: no.crt, key: no.key}}", "http.tls.certificate: there is no file"),
        ("http: 5", "http: a mapping of keys to values is accepted"),
        ("cameras: {id: a}", "cameras: a list is accepted"),
        ("cameras_file: [a]", "cameras_file: a path is accepted"),
    ],
)
def test_a_fault_is_a_plain_sentence(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, MINIMAL + text + "\n")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"node: [", "not YAML"),
        (b"- a\n", "a mapping with the keys node"),
        (b"\xff\xfe", "not UTF-8 text at byte 0"),
        (b"a: 1\na: 2\n", "not YAML"),
        (b"", "a mapping with the keys node"),
    ],
)
def test_what_is_no_mapping_in_utf8_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "node.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        load(path, sources=SOURCES, sinks=SINKS)


def test_an_empty_data_dir_is_refused(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, 'node: {id: a}\ndata_dir: ""\n')
    assert fault == "2: data_dir: name a directory of the node's own, such as ./var/NODE"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "none.yaml", sources=SOURCES, sinks=SINKS)


def test_an_id_of_digits_stays_text_and_a_plain_secret_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    camera = "cameras: [{id: 51172400001310000001, name: 东, scene: rural, rtsp: {main: 'rtsp://h/x', username: u, password: p}}]\n"
    path.write_text(MINIMAL + camera, encoding="utf-8")
    loaded = load(path, sources=SOURCES, sinks=SINKS)
    found = loaded.settings.cameras[0].to_model()
    assert isinstance(found, Camera)
    assert (found.id, found.scene) == ("51172400001310000001", Scene.RURAL)
    assert found.rtsp is not None
    assert found.rtsp.credential == Credential("u", "p")
    assert "plain secret" in loaded.warnings[0]
    assert "'p'" not in repr(found)


def test_secrets_come_from_files_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "county.token").write_text("gwt_abc\n", encoding="utf-8")
    monkeypatch.setenv("GATEWAY_TEST_URL_TOKEN", "from-env")
    sinks = "sinks:\n  - {kind: cascade, id: a, url: 'http://h', token: {file: county.token}}\n  - {kind: cascade, id: b, url: 'http://h', token: {env: GATEWAY_TEST_URL_TOKEN}}\n"
    first, second = read(tmp_path, MINIMAL + sinks).sinks
    assert first.token.get_secret_value() == "gwt_abc"
    assert second.token.get_secret_value() == "from-env"


def test_cameras_may_stand_in_a_csv(tmp_path: Path) -> None:
    (tmp_path / "cameras.csv").write_text(
        "id,name,scene,place.lon,place.lat,rtsp.main\ncam-1,村口,village,107.2,30.7,rtsp://10.0.0.5/main\n",
        encoding="utf-8",
    )
    (camera,) = read(tmp_path, MINIMAL + "cameras_file: cameras.csv\n").cameras
    assert camera.to_model().place.lon == 107.2
    assert camera.rtsp is not None


def test_a_wrong_row_of_a_csv_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,place.lon\ntv-1,1\ntv-2,far\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"t\.csv:3: place\.lon"):
        read(tmp_path, MINIMAL + "terminals_file: t.csv\n")


def test_a_table_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("- {id: tv-1}\n- {id: tv-2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"t\.yaml:\d+: not YAML"):
        read(tmp_path, MINIMAL + "terminals_file: t.yaml\n")


def test_the_example_configurations_load(tmp_path: Path) -> None:
    for name in ("township", "county"):
        text = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        (tmp_path / "county.token").write_text("gwt_example", encoding="utf-8")
        shutil.copy(CONFIGS / "taxonomy.yaml", tmp_path)
        loaded = load(tmp_path / f"{name}.yaml", sources=SOURCES, sinks=SINKS)
        assert loaded.settings.node.level == name
        assert loaded.warnings == ()


def test_the_examples_of_who_is_told_load_when_they_are_uncommented(tmp_path: Path) -> None:
    text = (CONFIGS / "township.yaml").read_text(encoding="utf-8")
    for begin in ("  # - kind: webhook\n", "  # - kind: notify\n", "  # sirens:\n", "  # routes:\n"):
        before, after = text.split(begin)
        lines = (begin + after).splitlines(keepends=True)
        end = next(at for at, line in enumerate(lines) if not line.startswith("  # ") or (at and line[4] != " "))
        text = before + "".join("  " + line[4:] for line in lines[:end]) + "".join(lines[end:])
    for key in ("also", "budget"):
        text = text.replace(f"    # {key}: ", f"    {key}: ", 1)
    (tmp_path / "secrets").mkdir()
    for name in ("wang", "wang-sms", "station", "leader"):
        (tmp_path / "secrets" / f"{name}.address").write_text("wecombot://0a1b2c3d", encoding="utf-8")
    (tmp_path / "secrets" / "hub.secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", encoding="utf-8")
    (tmp_path / "county.token").write_text("gwt_example", encoding="utf-8")
    shutil.copy(CONFIGS / "taxonomy.yaml", tmp_path)
    (tmp_path / "township.yaml").write_text(text, encoding="utf-8")
    loaded = load(tmp_path / "township.yaml", sources=SOURCES, sinks=SINKS)
    people = next(sink.people for sink in loaded.settings.sinks if sink.kind == "notify")
    assert [person.id for person in people] == ["wang", "station", "leader"]
    assert [siren.off for siren in loaded.settings.alerts.sirens] == [{"state": 0}]
    assert loaded.settings.alerts.routes[0].sinks == ("hub",) and loaded.warnings == ()
    assert [sink.budget for sink in loaded.settings.sinks] == [2_000_000, None, None]


def test_the_schema_covers_the_adapters_and_is_json_schema() -> None:
    schema = json_schema(sources=SOURCES, sinks=SINKS)
    assert schema["additionalProperties"] is False
    assert "MqttSettings" in schema["$defs"]
    assert "CascadeSinkSettings" in schema["$defs"]


class OnlyKind(Strict):
    kind: Literal["only"]
    id: str


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["node", "id", "data_dir", "http", "listen", "cameras", "sources", "kind", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_yaml_gives_settings_or_sentences(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    from ruamel.yaml import YAML

    path = tmp_path_factory.mktemp("any") / "node.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(value, file)
    try:
        load(path, sources={"only": OnlyKind}, sinks=SINKS)
    except ConfigError as error:
        assert all(fault.startswith(str(path)) for fault in error.faults)


def test_ranges_to_search_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("node: {id: a}\ndata_dir: var\ndiscovery:\n  ranges: [10.0.0.0/24, 10.0.0.9-3]\n", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"node.yaml:4: discovery.ranges\[1\]: 10.0.0.9-3: the last address comes before"
    ):
        load(path, sources=SOURCES, sinks=SINKS)
