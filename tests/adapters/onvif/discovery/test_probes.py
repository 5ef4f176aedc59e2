"""What devices answer to a probe, read as far as it is harmless."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.onvif.discovery.probes import PROBE_TYPES, Announcement, normal_identity, probe_message, read_announcement

FIXTURES = Path(__file__).parents[5] / "shared" / "fixtures" / "onvif"
UUID = "00000000-0000-4000-8000-00000000000a"


def recorded(path: str) -> bytes:
    if not (FIXTURES / path).is_file():
        pytest.skip("the recorded answers are not beside this checkout")
    return (FIXTURES / path).read_bytes()


def said(inner: str, what: str = "ProbeMatches") -> bytes:
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">'
        f"<s:Body><d:{what}>{inner}</d:{what}></s:Body></s:Envelope>"
    ).encode()


def match(
    xaddrs: str = "http://10.0.0.5/onvif/device_service",
    *,
    uuid: str = UUID,
    types: str = "dn:NetworkVideoTransmitter",
    scopes: str = "onvif://www.onvif.org/name/East%20Gate",
) -> str:
    return (
        f"<d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:{uuid}</a:Address></a:EndpointReference>"
        f"<d:Types>{types}</d:Types><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{xaddrs}</d:XAddrs></d:ProbeMatch>"
    )


class TestRecorded:
    def test_an_axis_with_http_and_https(self) -> None:
        (found,) = read_announcement(recorded("axis_m2025/ProbeMatches.xml"), "192.0.2.10").found
        assert found.endpoint == "00000000-0000-4000-8000-000000000004"
        assert (found.host, found.port, found.tls) == ("192.0.2.10", 80, False)
        assert (found.name, found.hardware, found.location) == ("AXIS M2025-LE", "M2025-LE", "")
        assert found.types == ("tds:Device", "dn:NetworkVideoTransmitter")
        assert found.xaddrs == ("http://192.0.2.10/onvif/device_service", "https://192.0.2.10/onvif/device_service")

    def test_an_answer_without_a_header(self) -> None:
        (found,) = read_announcement(recorded("generic/ProbeMatches.no-header.xml"), "192.0.2.10").found
        assert (found.endpoint, found.name, found.location) == (
            "00000000-0000-4000-8000-000000000008",
            "NAME-X",
            "Default",
        )

    def test_an_amcrest(self) -> None:
        (found,) = read_announcement(recorded("amcrest/ProbeMatches.xml"), "192.0.2.10").found
        assert (found.name, found.hardware, found.location) == ("Amcrest", "IP5M-B1186E", "country/china")

    def test_no_other_recorded_answer_is_taken_for_a_device(self) -> None:
        recorded("INDEX.md")
        files = [each for each in FIXTURES.rglob("*.xml") if not each.name.startswith("ProbeMatches")]
        assert files
        assert all(read_announcement(each.read_bytes(), "10.0.0.5") == Announcement() for each in files)


class TestWhereItIs:
    @pytest.mark.parametrize(
        ("xaddrs", "host", "expected"),
        [
            ("http://10.0.0.5/onvif/device_service", "10.0.0.5", (80, False)),
            ("http://10.0.0.5:8000/onvif/device_service", "10.0.0.5", (8000, False)),
            ("https://10.0.0.5/onvif/device_service", "10.0.0.5", (443, True)),
            ("https://10.0.0.5/x http://10.0.0.5:8080/x", "10.0.0.5", (8080, False)),
            # several addresses: the one that answered, in whatever place it stands
            ("http://192.168.1.108:81/x http://10.0.0.5:82/x", "10.0.0.5", (82, False)),
            # behind a NAT the device names an address that leads nowhere from here; its port is all there is
            ("http://192.168.1.108:8899/onvif/device_service", "10.0.0.5", (8899, False)),
            ("http://10.0.0.5:2020:2020/onvif/device_service", "10.0.0.5", (2020, False)),
            ("http://[fe80::1]/onvif/device_service http://10.0.0.5:85/x", "fe80::1%eth0", (80, False)),
            ("http://[FE80::1]:86/x", "fe80::1%eth0", (86, False)),
            ("http://10.0.0.5:99999/x", "10.0.0.5", (80, False)),
            ("rubbish", "10.0.0.5", (80, False)),
            ("", "10.0.0.5", (80, False)),
        ],
    )
    def test_at_the_address_that_answered(self, xaddrs: str, host: str, expected: tuple[int, bool]) -> None:
        (found,) = read_announcement(said(match(xaddrs)), host).found
        assert found.host == host
        assert (found.port, found.tls) == expected


class TestWhoItIs:
    @pytest.mark.parametrize(
        "text",
        [UUID, UUID.upper(), f"urn:uuid:{UUID}", f"uuid:{UUID}", UUID.replace("-", ""), f"http://x/{UUID}"],
    )
    def test_a_uuid_in_any_of_its_forms(self, text: str) -> None:
        assert normal_identity(text) == UUID

    def test_a_serial_number_is_compared_without_case(self) -> None:
        assert normal_identity(" DS-2CD0001\n") == "ds-2cd0001"

    def test_printers_are_left_out(self) -> None:
        answer = said(match(types="wsdp:Device pub:Printer", scopes="ldap:///ou=x"))
        assert len(read_announcement(answer, "10.0.0.5").found) == 1  # a wsdp:Device: not told apart by its local name
        assert not read_announcement(said(match(types="pub:Printer", scopes="")), "10.0.0.5").found

    def test_one_that_names_no_type_is_kept(self) -> None:
        assert read_announcement(said(match(types="")), "10.0.0.5").found


class TestComingAndGoing:
    def test_hello(self) -> None:
        heard = read_announcement(said(match()[len("<d:ProbeMatch>") : -len("</d:ProbeMatch>")], "Hello"), "10.0.0.9")
        assert heard.hello
        assert [(each.endpoint, each.host) for each in heard.found] == [(UUID, "10.0.0.9")]

    def test_bye(self) -> None:
        answer = said(f"<a:EndpointReference><a:Address>uuid:{UUID}</a:Address></a:EndpointReference>", "Bye")
        assert read_announcement(answer, "10.0.0.9") == Announcement(leaving=(UUID,))


class TestHostile:
    def test_what_ends_on_a_terminal_has_no_control_characters(self) -> None:
        answer = said(match(scopes="onvif://www.onvif.org/name/%1b%5b2J%0aroot%E2%80%AEtxt"))
        (found,) = read_announcement(answer, "10.0.0.5").found
        assert found.name == "[2J root txt"

    def test_however_much_it_says(self) -> None:
        scopes = " ".join(f"onvif://www.onvif.org/name/{'x' * 60}{number}" for number in range(300))
        (found,) = read_announcement(said(match(scopes=scopes)), "10.0.0.5").found
        assert len(found.scopes) == 64
        assert len(found.name) == 256

    def test_however_many_matches(self) -> None:
        assert len(read_announcement(said("<d:ProbeMatch/>" * 2000), "10.0.0.5").found) == 64

    def test_what_is_longer_than_an_envelope_may_be_is_not_read(self) -> None:
        assert not read_announcement(said("<d:ProbeMatch/>" * 3000), "10.0.0.5").found

    @given(st.binary(max_size=600))
    def test_bytes(self, datagram: bytes) -> None:
        read_announcement(datagram, "10.0.0.5")

    @given(st.integers(0, 600), st.binary(max_size=8))
    def test_damaged_answers(self, at: int, damage: bytes) -> None:
        answer = said(match())
        for found in read_announcement(answer[:at] + damage + answer[at + len(damage) :], "10.0.0.5").found:
            assert found.host == "10.0.0.5"
            assert 0 < found.port < 65_536


@pytest.mark.parametrize("types", PROBE_TYPES)
def test_a_probe_is_well_formed_and_of_its_types(types: str) -> None:
    root = etree.fromstring(probe_message(types, UUID))
    assert root.findtext(".//{http://schemas.xmlsoap.org/ws/2005/04/discovery}Types") == types
    assert root.findtext(".//{http://schemas.xmlsoap.org/ws/2004/08/addressing}MessageID") == f"uuid:{UUID}"
