"""The image and the composition: what they name is there, and nothing in them runs with more than it needs. They are not built
here, where there is no daemon; what the image installs is installed by test_bundle.py."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

HERE = Path(__file__).parents[2] / "deploy/container"
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def compose() -> Any:
    return YAML(typ="safe").load((HERE / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return re.sub(r"\\\n", " ", (HERE / "Dockerfile").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["gateway", "mosquitto", "prometheus"])
def test_each_service_is_locked_up(name: str, compose: Any) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    assert not {"privileged", "cap_add", "pid", "devices"} & service.keys()
    assert "environment" not in service, "secrets are files"
    assert "mem_limit" in service
    assert "pids_limit" in service


def test_what_the_composition_names_is_there(compose: Any) -> None:
    made_by_the_operator = {"./config", "./secrets/"}
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert source in made_by_the_operator or (HERE / source).is_file(), source
            else:
                assert source in compose["volumes"]
        for secret in service.get("secrets", ()):
            assert (secret if isinstance(secret, str) else secret["source"]) in compose["secrets"]
        assert set(service["networks"]) <= compose["networks"].keys()
        assert set(service.get("depends_on", ())) <= compose["services"].keys()
    build = compose["services"]["gateway"]["build"]
    assert (HERE / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_broker_finds_what_its_configuration_names(compose: Any) -> None:
    broker = compose["services"]["mosquitto"]
    inside = {volume.split(":")[1] for volume in broker["volumes"]}
    inside |= {secret["target"] for secret in broker["secrets"]}
    text = (ROOT / "deploy/mosquitto/gateway.conf").read_text(encoding="utf-8")
    named = re.findall(r"^(?:cafile|crlfile|certfile|keyfile|acl_file|persistence_location)\s+(\S+)", text, re.M)
    assert {path.rstrip("/") for path in named} <= inside


def test_prometheus_reads_its_configuration(compose: Any) -> None:
    read = YAML(typ="safe").load((HERE / "prometheus.yml").read_text(encoding="utf-8"))
    inside = {volume.split(":")[1] for volume in compose["services"]["prometheus"]["volumes"]}
    assert set(read["rule_files"]) <= inside
    assert "--config.file=/etc/prometheus/prometheus.yml" in compose["services"]["prometheus"]["command"]
    assert "/etc/prometheus/prometheus.yml" in inside


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is(dockerfile: str) -> None:
    stages = re.split(r"^FROM ", dockerfile, flags=re.M)[1:]
    assert len(stages) == 2
    last = stages[-1]
    assert re.findall(r"^USER (\d+):(\d+)$", last, re.M) == [("10001", "10001")]
    assert last.index("USER 10001") < last.index("ENTRYPOINT")
    assert re.search(r"^HEALTHCHECK .* CMD ", last, re.M)
    assert 'ENTRYPOINT ["tini", "--", "gateway"]' in last
    assert not re.search(r"\b(gcc|build-essential|make|curl|wget|git)\b", last)
    assert "pip install" not in last


def test_what_the_image_copies_reaches_the_builder(dockerfile: str) -> None:
    allowed = {
        line.removeprefix("!")
        for line in (HERE / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.M)
    assert len(copied) == 2
    assert set(copied) <= allowed
    assert (ROOT / "deploy/container/healthy.py").is_file()
