"""Losses are explained by what their cameras have in common, whatever the order they are told in."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Cause
from gateway.supervision.outages import Group, Together, explain, groups_of
from gateway.supervision.sites import Site

RULE = Together()


def site(host: str, area: str = "511724001001") -> Site:
    subnet = host.rpartition(".")[0] + ".0/24"
    return Site(host, subnet, (area, area[:9], area[:6]) if area else ())


def at_once(*cameras: str, at: float = 100.0) -> Mapping[str, float]:
    return {camera: at for camera in cameras}


def park(*hosts: str, area: str = "") -> dict[str, Site]:
    return {f"c{number:02}": site(host, area) for number, host in enumerate(hosts)}


def test_one_camera_is_single() -> None:
    sites = park("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7")
    found = explain(at_once("c03"), sites, RULE)
    assert (found.incidents, found.single) == ((), ("c03",))


def test_all_of_one_host_are_its_recorder() -> None:
    sites = park(*["10.0.0.9"] * 4, *[f"10.0.0.{n}" for n in range(10, 14)])
    (incident,) = explain(at_once("c00", "c01", "c02", "c03"), sites, RULE).incidents
    assert incident.cause is Cause.RECORDER
    assert incident.group == Group(Cause.RECORDER, "10.0.0.9")
    assert incident.cameras == ("c00", "c01", "c02", "c03")
    assert incident.total == 4


def test_part_of_a_subnet_is_its_switch_and_all_of_it_what_joins_it() -> None:
    others = [f"10.9.{n}.1" for n in range(20)]
    sites = park(*[f"10.0.0.{n}" for n in range(8)], *others)
    (incident,) = explain(at_once(*(f"c{n:02}" for n in range(5))), sites, RULE).incidents
    assert (incident.cause, incident.group.name, incident.total) == (Cause.SWITCH, "10.0.0.0/24", 8)
    (incident,) = explain(at_once(*(f"c{n:02}" for n in range(8))), sites, RULE).incidents
    assert incident.cause is Cause.SUBNET


def test_a_village_of_many_subnets_is_its_power() -> None:
    here = {f"a{n}": site(f"10.{n}.0.1", "511724001002") for n in range(4)}
    there = {f"b{n}": site(f"10.1{n}.0.1", "511724001003") for n in range(8)}
    (incident,) = explain(at_once(*here), {**here, **there}, RULE).incidents
    assert (incident.cause, incident.group.name) == (Cause.AREA_POWER, "511724001002")


def test_everything_is_the_nodes_own_network() -> None:
    sites = {f"c{n}": site(f"10.{n}.0.1", f"51172400{n % 5}") for n in range(40)}
    (incident,) = explain(at_once(*sites), sites, RULE).incidents
    assert (incident.cause, len(incident.cameras), incident.total) == (Cause.UPSTREAM, 40, 40)


def test_a_subnet_that_everybody_is_in_has_not_failed_by_itself() -> None:
    sites = park(*[f"10.0.0.{n}" for n in range(6)])
    assert [each.cause for each in explain(at_once(*sites), sites, RULE).incidents] == [Cause.UPSTREAM]
    (incident,) = explain(at_once("c00", "c01", "c02", "c03"), sites, RULE).incidents
    assert incident.cause is Cause.SWITCH
    sites = park(*["10.0.0.1"] * 6)
    assert [each.cause for each in explain(at_once(*sites), sites, RULE).incidents] == [Cause.RECORDER]


def test_a_recorder_and_a_stranger_are_not_everything() -> None:
    """Half of the node is away, but ten of them have a nearer cause than the other two."""
    sites = park(*["10.0.0.9"] * 10, *[f"10.{n}.0.1" for n in range(1, 11)])
    found = explain(at_once(*(f"c{n:02}" for n in range(12))), sites, RULE)
    assert [incident.cause for incident in found.incidents] == [Cause.RECORDER]
    assert found.single == ("c10", "c11")


def test_five_recorders_of_one_subnet_are_one_outage() -> None:
    sites = park(*[f"10.0.0.{n % 5}" for n in range(40)], *[f"10.{n}.0.1" for n in range(1, 60)])
    (incident,) = explain(at_once(*(f"c{n:02}" for n in range(40))), sites, RULE).incidents
    assert (incident.cause, incident.group.name) == (Cause.SUBNET, "10.0.0.0/24")


def test_two_villages_at_once_are_two_outages() -> None:
    sites = {
        f"{area}{n}": site(f"10.{ord(area)}.{n}.1", f"5117240010{ord(area)}") for area in "abcdef" for n in range(5)
    }
    found = explain(at_once(*(name for name in sites if name[0] in "ab")), sites, RULE)
    assert sorted(incident.cameras[0] for incident in found.incidents) == ["a0", "b0"]
    assert found.single == ()


def test_what_went_long_before_is_not_part_of_it() -> None:
    sites = park(*["10.0.0.9"] * 6)
    losses = {**at_once("c00", "c01", "c02", "c03", at=100), "c04": 191.0}
    found = explain(losses, sites, RULE)
    assert [incident.cameras for incident in found.incidents] == [("c00", "c01", "c02", "c03")]
    assert found.single == ("c04",)
    (incident,) = explain({**losses, "c04": 190.0}, sites, RULE).incidents
    assert len(incident.cameras) == 5


@pytest.mark.parametrize(("lost", "of", "together"), [(2, 2, False), (3, 3, True), (3, 6, True), (3, 7, False)])
def test_enough_cameras_and_enough_of_the_group(lost: int, of: int, together: bool) -> None:
    sites = park(*["10.0.0.9"] * of, *[f"10.{n}.0.1" for n in range(1, 40)])
    found = explain(at_once(*(f"c{n:02}" for n in range(lost))), sites, RULE)
    assert bool(found.incidents) is together


def test_a_camera_of_no_known_site_is_single() -> None:
    sites = park(*["10.0.0.9"] * 3)
    found = explain(at_once("c00", "c01", "c02", "gone"), sites, RULE)
    assert found.single == ("gone",)


HOSTS = st.builds("10.0.{}.{}".format, st.integers(0, 3), st.integers(1, 4))
AREAS = st.sampled_from(["", "511724001001", "511724001002", "511724002001"])
PARKS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.builds(site, HOSTS, AREAS), max_size=40)
RULES = st.builds(Together, st.integers(2, 5), st.floats(0.1, 1), st.floats(1, 200))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, Site], Together]:
    sites = draw(PARKS)
    lost = draw(st.lists(st.sampled_from(sorted(sites)), unique=True)) if sites else []
    return {camera: draw(st.floats(0, 300)) for camera in lost}, sites, draw(RULES)


@given(scenes())
def test_every_lost_camera_is_in_exactly_one_of_them(scene) -> None:
    losses, sites, rule = scene
    found = explain(losses, sites, rule)
    told = [*found.single, *(camera for incident in found.incidents for camera in incident.cameras)]
    assert sorted(told) == sorted(losses)


@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(scene, random) -> None:
    losses, sites, rule = scene
    turned, turned_sites = list(losses.items()), list(sites.items())
    random.shuffle(turned)
    random.shuffle(turned_sites)
    assert explain(dict(turned), dict(turned_sites), rule) == explain(losses, sites, rule)


@given(scenes())
def test_an_outage_claims_only_lost_cameras_of_its_group_and_enough_of_them(scene) -> None:
    losses, sites, rule = scene
    for incident in explain(losses, sites, rule).incidents:
        members = {camera for camera, where in sites.items() if incident.group in groups_of(where)}
        claimed = set(incident.cameras)
        assert claimed <= set(losses) & members
        assert incident.total == len(members)
        assert len(claimed) >= max(rule.fewest, rule.share * len(members))
        times = [losses[camera] for camera in claimed]
        assert max(times) - min(times) <= rule.within_s + 1e-6


@given(scenes())
def test_what_is_left_single_has_no_group_that_would_explain_it(scene) -> None:
    losses, sites, rule = scene
    alone = {camera: losses[camera] for camera in explain(losses, sites, rule).single}
    for group in {group for camera in alone for group in groups_of(sites[camera])}:
        members = [camera for camera, where in sites.items() if group in groups_of(where)]
        times = sorted(alone[camera] for camera in members if camera in alone)
        most = max(sum(at <= other <= at + rule.within_s for other in times) for at in times)
        assert most < rule.fewest or most < rule.share * len(members)
