"""Whatever a device says is read or refused in words, and costs little."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.onvif import soap
from adapters.onvif.faults import OnvifFault
from gateway.errors import DeviceError, ProtocolFault

DEVICE = "192.0.2.10:80"
OPEN = b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
CLOSE = b"</s:Body></s:Envelope>"
REFUSED = {  # file → what the sentence says
    "_malformed/Fault.soap11-envelope.xml": "Client (Not Authorized)",
    "_malformed/Fault.time-skew.xml": "NotAuthorized",
    "_malformed/Fault.undeclared-ter.xml": "InvalidArgVal",
    "_malformed/billion-laughs.xml": "a document type, which SOAP forbids",
    "_malformed/empty.xml": "with nothing",
    "_malformed/login-page.html": "a log-in page",
    "_malformed/plain-text.txt": "no SOAP: 'Error: 500'",
    "_malformed/truncated.xml": "nothing in it",
    "axis/CreatePullPointSubscription.Fault.xml": "SubscribeCreationFailedFault",
    "axis/GetServices.Fault.xml": "Action",
    "axis/GetSystemDateAndTime.Fault-WellFormed.xml": "WellFormed",
    "axis/PullMessages.Fault-InvalidArgs.xml": "InvalidArgs",
    "dahua/CreatePullPointSubscription.Fault-BlockedThreadUpperLimit.xml": "BlockedThreadUpperLimit",
    "dahua/GetNetworkProtocols.Fault-NotImplemented.xml": "ActionNotSupported/NotImplemented",
    "generic/Fault-NoProfile.xml": "InvalidArgVal/NoProfile",
    "generic/Fault-WeakPassword.xml": "OperationProhibited/Password",
    "hikvision/CreatePullPointSubscription.Fault-NotAuthorized.xml": "NotAuthorized",
    "hikvision/GetServices.Fault.xml": "InvalidArgVal/InvalidParameter",
    "ipg/Fault-ActionNotSupported.xml": "ActionNotSupported",
    "pelco/PullMessages.Fault-namespace.xml": "namespace error in element <PullMessages>",
    "thingino/CreatePullPointSubscription.html-404.html": "a web page",
    "trendnet_hikoem/GetDeviceInformation.Fault-NotAuthorized.xml": "NotAuthorized",
    "unknown/CreatePullPointSubscription.html-404-with-http-200.html": "a web page",
}


def read(body: bytes) -> etree._Element:
    return soap.read(body, DEVICE, "GetThing")


def test_every_recorded_answer_is_read_or_refused_in_words(recordings):
    refused, count = {}, 0
    for path in sorted(recordings.glob("*/*.*ml")) + sorted(recordings.glob("_malformed/*.txt")):
        name = f"{path.parent.name}/{path.name}"
        count += 1
        try:
            found = soap.local(read(path.read_bytes()))
        except ProtocolFault as error:
            refused[name] = str(error)
            assert str(error).startswith(f"{DEVICE} answered GetThing with ")
            assert str(error).isprintable()
        else:
            operation = path.name.split(".")[1 if path.name.startswith("Media2") else 0]
            expected = operation if operation == "ProbeMatches" else f"{operation}Response"
            assert found == expected or name == "_malformed/invalid-utf8.xml"
    assert count > 100
    assert refused.keys() == REFUSED.keys()
    for name, words in REFUSED.items():
        assert words in refused[name], name


def test_every_recorded_session_is_read_or_refused_in_words(recordings):
    outcomes = set()
    for path in sorted((recordings / "_sessions").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            for value in json.loads(line).values():
                if isinstance(value, str) and "Envelope" in value:
                    try:
                        outcomes.add(soap.local(read(value.encode())))
                    except OnvifFault as fault:
                        outcomes.add(fault.subcodes)
    assert {"CreatePullPointSubscriptionResponse", "PullMessagesResponse", "RenewResponse"} <= outcomes


def test_the_codes_of_a_fault(recorded):
    with pytest.raises(OnvifFault) as caught:
        soap.read(
            recorded("hikvision/CreatePullPointSubscription.Fault-NotAuthorized.xml"), DEVICE, "Create", status=400
        )
    fault = caught.value
    assert (fault.code, fault.subcodes, fault.operation) == ("Sender", ("NotAuthorized",), "Create")
    assert fault.refuses_login and not fault.unsupported and not fault.names_time


def test_gbk_under_a_utf8_declaration(recorded):
    values = [v for element in read(recorded("_malformed/invalid-utf8.xml")).iter() for v in element.values()]
    assert any("前门" in value for value in values)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("<Name>十字口东</Name>".encode("gbk"), "十字口东"),
        ("<Name>十字口东</Name>".encode(), "十字口东"),
        ("<Name>川陕路与红星街交叉口西北角</Name>".encode("gbk"), "川陕路与红星街交叉口西北角"),
        ("<Name>Камера у входа</Name>".encode()[:-8] + b"</Name>", "Камера у вход"),
        ("<Name>十字口</Name>".encode()[:-8] + b"</Name>", "十字"),  # a name cut in the middle of a character
    ],
)
def test_names_in_chinese(content, name):
    found = soap.text(read(OPEN + b"<R>" + content + b"</R>" + CLOSE), "Name")
    assert found is not None and found.rstrip("\ufffd") == name


def test_latin_letters_where_declared():
    answer = b'<?xml version="1.0" encoding="ISO-8859-1"?>' + OPEN + b"<R><Name>Stra\xdfe</Name></R>" + CLOSE
    assert soap.text(read(answer), "Name") == "Straße"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_read(encoding):
    whole = '<?xml version="1.0" encoding="utf-16"?>' + (OPEN + b"<R>x</R>" + CLOSE).decode()
    assert read(whole.encode(encoding)).text == "x"


LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY a{n} "{"&a;" if n == 0 else f"&a{n - 1};" * 10}">' for n in range(12))
    + "]>"
    + (OPEN + b"<R>&a11;</R>" + CLOSE).decode()
)


@pytest.mark.parametrize(
    "answer",
    [
        LAUGHS.encode(),
        b'<?xml version="1.0"?>' + LAUGHS.encode(),
        LAUGHS.encode("utf-16"),
        LAUGHS.encode("utf-16-be"),
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x []>' + OPEN + b"<R>&a;</R>" + CLOSE,
        b"junk\r\n" + LAUGHS.encode(),
        b'<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">' + OPEN + b"<R/>" + CLOSE,
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + OPEN + b"<R>&e;</R>" + CLOSE,
    ],
)
def test_document_types_cost_nothing(answer):
    began = time.process_time()
    try:
        found = read(answer)
    except ProtocolFault:
        pass
    else:
        assert len(etree.tostring(found)) < 1000
        assert b"root:" not in etree.tostring(found)
    assert time.process_time() - began < 5  # an hour where entities are expanded


def test_junk_before_the_xml_is_skipped():
    assert soap.local(read(b"\xef\xbb\xbf\r\n<br/>Warning: x\r\n" + OPEN + b"<R/>" + CLOSE)) == "R"
    assert soap.local(read(b'<b>x</b><?xml version="1.0"?>' + OPEN + b"<R/>" + CLOSE)) == "R"


def test_an_envelope_whose_start_is_broken_gives_its_body():
    assert soap.local(read(b"<s:Envelope ...><s:Body><Q:R/></s:Body></s:Envelope>")) == "R"


def test_first_element_of_the_body_past_comments():
    assert soap.local(read(OPEN + b"<!-- x --><?pi?> <R/>" + CLOSE)) == "R"


@pytest.mark.parametrize("answer", [OPEN + CLOSE, b"<s:Envelope/>", OPEN, b"<s:Envelope><s:Header/></s:Envelope>"])
def test_empty_envelopes(answer):
    with pytest.raises(ProtocolFault, match="nothing in it"):
        read(answer)


def test_the_status_is_told_where_it_says_something():
    with pytest.raises(ProtocolFault, match=r"a web page \(HTTP 404\)"):
        soap.read(b"<html><body>No</body></html>", DEVICE, "GetThing", status=404)


def test_a_fault_without_end_is_told_in_a_line():
    deep = b"<s:Subcode><s:Value>ter:A\nB</s:Value>" * 50
    fault = b"<s:Fault><s:Code><s:Value>s:Sender</s:Value>" + deep + b"</s:Code></s:Fault>"
    reason = b"<s:Fault><s:Reason><s:Text>" + b"long \x1b[31m" * 9000 + b"</s:Text></s:Reason></s:Fault>"
    for answer in (fault, reason):
        with pytest.raises(OnvifFault) as caught:
            read(OPEN + answer + CLOSE)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


def test_ways_to_find():
    found = read(
        OPEN + b'<R><x:A token="t"><B> one </B><B>two</B></x:A><A><C xmlns="urn:c" q:n="v"/></A><E/></R>' + CLOSE
    )
    assert soap.text(found, "A/B") == "one"
    assert [element.text for element in soap.find_all(found, "A/B")] == [" one ", "two"]
    assert soap.text(found, "A/D") is None and soap.text(found, "E") is None
    assert len(list(soap.children(found, "A"))) == 2
    below = soap.descendant(found, "C")
    assert below is not None and soap.attribute(below, "n") == "v" and soap.attribute(below, "m") is None


def test_an_element_of_countless_attributes_is_looked_through_once():
    """To read them all by items() takes minutes: the test would end by its time limit."""
    countless = b" ".join(b'a%d=""' % number for number in range(300_000))
    found = read(OPEN + b"<R " + countless + b' q:n="v"/>' + CLOSE)
    assert soap.attribute(found, "n") == "v" and soap.attribute(found, "m") is None


def test_an_envelope_is_read_back():
    made = soap.envelope(b'<R xmlns="urn:r"/>', security=b"<S/>", headers=b"<H/>")
    assert [soap.local(e) for e in soap.parse(made, DEVICE, "X").iter()] == [
        "Envelope",
        "Header",
        "S",
        "H",
        "Body",
        "R",
    ]
    assert b"Header" not in soap.envelope(b"<R/>")


@given(st.text())
def test_escaped_text_is_text(value):
    found = soap.read(soap.envelope(b'<R a="' + soap.escape(value) + b'">' + soap.escape(value) + b"</R>"), "d", "o")
    kept = "".join(
        c for c in value if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
    )
    assert (found.text or "") == kept.replace("\r\n", "\n").replace("\r", "\n")


PIECES = st.sampled_from(
    [
        OPEN,
        CLOSE,
        b"<s:Fault>",
        b"<s:Code><s:Value>x:y</s:Value>",
        b"<!DOCTYPE a [",
        b"]>",
        b"<![CDATA[",
        b"&amp;",
        b"&x;",
        b"\xff\xfe",
        b"\0",
        b"<?xml version='1.0' encoding='gbk'?>",
        b"<html>",
        b"<a b='",
        b"\xd6\xd0",
        b"</",
        b"<!--",
        b"<",
    ]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=14).map(b"".join))
def test_nothing_else_escapes(answer):
    try:
        found = read(answer)
    except DeviceError as error:
        assert str(error).startswith(DEVICE) and str(error).isprintable() and len(str(error)) < 1000
    else:
        assert soap.local(found)
