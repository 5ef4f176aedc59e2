import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authentication import Authenticator, choose, parse_challenges
from gateway.model import Credential

MUFASA = Credential("Mufasa", "Circle of Life")
RFC7616 = 'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'


def answered(authenticator: Authenticator, method: str, uri: str) -> dict[str, str]:
    field = authenticator.field(method, uri)
    assert field is not None
    return parse_challenges([field])[0].parameters


def test_digest_without_qop_is_that_of_rfc_2069():
    authenticator = Authenticator(Credential("Mufasa", "CircleOfLife"))
    authenticator.accept(
        parse_challenges(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])[0]
    )
    given_back = answered(authenticator, "GET", "/dir/index.html")
    assert given_back["response"] == "1949323746fe6a43ef61f9606e7febea"  # RFC 2069 §2.4 as corrected by its erratum
    assert "qop" not in given_back and "algorithm" not in given_back


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_with_qop_gives_the_examples_of_rfc_7616(monkeypatch, algorithm, response):
    monkeypatch.setattr("secrets.token_hex", lambda _: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    authenticator = Authenticator(MUFASA)
    authenticator.accept(parse_challenges([RFC7616.format(algorithm)])[0])
    assert answered(authenticator, "GET", "/dir/index.html")["response"] == response


def test_the_nonce_count_rises_with_each_request():
    authenticator = Authenticator(MUFASA)
    authenticator.accept(parse_challenges([RFC7616.format("MD5")])[0])
    assert [answered(authenticator, "PLAY", "rtsp://c/")["nc"] for _ in range(2)] == ["00000001", "00000002"]


def test_a_session_variant_hashes_the_nonces_into_the_secret(monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda _: "0a4f113b")
    plain, session = Authenticator(MUFASA), Authenticator(MUFASA)
    plain.accept(parse_challenges([RFC7616.format("MD5")])[0])
    session.accept(parse_challenges([RFC7616.format("MD5-sess")])[0])
    assert answered(plain, "PLAY", "*")["response"] != answered(session, "PLAY", "*")["response"]
    assert answered(session, "PLAY", "*")["algorithm"] == "MD5-sess"


def test_quotes_in_a_user_name_are_escaped():
    authenticator = Authenticator(Credential('a"b', "x"))
    authenticator.accept(parse_challenges(['Digest realm="r", nonce="n"'])[0])
    assert 'username="a\\"b"' in (authenticator.field("PLAY", "*") or "")


def test_basic_is_base64_of_name_and_password():
    authenticator = Authenticator(Credential("Aladdin", "open sesame"))
    authenticator.accept(parse_challenges(['Basic realm="x"'])[0])
    assert authenticator.field("PLAY", "*") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(
    ("fields", "allow_basic", "chosen"),
    [
        (['Basic realm="r"', 'Digest realm="r", nonce="n"'], True, ("digest", "MD5")),
        (
            ['Digest realm="r", nonce="n"', 'Digest realm="r", nonce="n", algorithm=SHA-256'],
            True,
            ("digest", "SHA-256"),
        ),
        (['Digest realm="r", nonce="n", algorithm=MD5, Basic realm="r, s=1"'], True, ("digest", "MD5")),
        (['Digest realm="r", nonce="n", algorithm=SHA-512-256', 'Basic realm="r"'], True, ("basic", "MD5")),
        (['Basic realm="r"'], False, None),
        (['Digest realm="r", nonce="n", qop="auth-int"'], True, None),
        (['Digest realm="r"'], True, None),
        ([""], True, None),
    ],
)
def test_the_strongest_scheme_that_can_be_answered_is_chosen(fields, allow_basic, chosen):
    found = choose(parse_challenges(fields), allow_basic=allow_basic)
    assert (found and (found.scheme, found.algorithm)) == chosen


@pytest.mark.parametrize("name", ["realm", "nonce", "opaque"])
@pytest.mark.parametrize(
    "value", ["摄像机".encode("gbk").decode("utf-8", "surrogateescape"), "a\rX: y", "a\0b", "a\x7f"]
)
def test_what_no_field_can_repeat_is_no_challenge_to_answer(name, value):
    parameters = {"realm": "r", "nonce": "n", "opaque": "o", name: value}
    field = "Digest " + ", ".join(f'{key}="{each}"' for key, each in parameters.items())
    assert choose(parse_challenges([field]), allow_basic=False) is None


def test_a_realm_in_chinese_is_answered():
    (challenge,) = parse_challenges(['Digest realm="摄像机", nonce="n"'])
    assert choose([challenge], allow_basic=False) is challenge
    authenticator = Authenticator(MUFASA)
    authenticator.accept(challenge)
    assert answered(authenticator, "GET", "/")["realm"] == "摄像机"


def test_a_stale_nonce_is_told():
    assert parse_challenges(['Digest realm="r", nonce="n", stale=TRUE'])[0].stale
    assert not parse_challenges(['Digest realm="r", nonce="n", stale="false"'])[0].stale


@given(st.lists(st.text(alphabet='ab=",\\ \tDigest', max_size=120), max_size=4))
def test_no_challenge_makes_it_fail(fields):
    challenge = choose(parse_challenges(fields), allow_basic=True)
    if challenge is not None:
        authenticator = Authenticator(MUFASA)
        authenticator.accept(challenge)
        assert authenticator.field("PLAY", "*")
