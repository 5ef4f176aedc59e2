"""Tokens against the standard's own example."""

import base64
import re
from datetime import UTC, datetime, timedelta, timezone

from adapters.onvif.security import password_digest, username_token
from adapters.onvif.soap import envelope, find, parse, text
from gateway.model import Credential

AT = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)


def test_the_example_of_the_onvif_programmers_guide():
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert password_digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == b"tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_a_token_holds_what_the_profile_asks_for():
    token = username_token(Credential("运维<&>", "geheim"), AT, nonce=b"0123456789abcdef")
    found = find(parse(envelope(b"<X/>", security=token), "d", "o"), "Header/Security/UsernameToken")
    assert text(found, "Username") == "运维<&>"
    assert text(found, "Created") == "2026-11-22T10:00:00.123Z"
    assert base64.b64decode(text(found, "Nonce")) == b"0123456789abcdef"
    assert text(found, "Password").encode() == password_digest(
        b"0123456789abcdef", "2026-11-22T10:00:00.123Z", "geheim"
    )
    assert find(found, "Password").get("Type").endswith("#PasswordDigest")
    assert b"geheim" not in token


def test_the_time_is_told_in_utc():
    token = username_token(Credential("a", "b"), AT.astimezone(timezone(timedelta(hours=8))))
    assert b">2026-11-22T10:00:00.123Z<" in token


def test_each_token_has_a_nonce_of_its_own():
    nonces = {re.search(rb"Base64Binary\">([^<]+)<", username_token(Credential("a", "b"), AT))[1] for _ in range(50)}
    assert len(nonces) == 50


def test_a_password_in_chinese():
    assert password_digest(b"n", "t", "密码") != password_digest(b"n", "t", "密碼")
