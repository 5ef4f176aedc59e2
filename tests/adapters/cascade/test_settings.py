import pytest
from pydantic import ValidationError

from adapters.cascade.settings import CascadeSinkSettings, CascadeSourceSettings


def sink(**changes):
    return CascadeSinkSettings.model_validate(
        {"kind": "cascade", "id": "county", "url": "http://h", "token": "t", **changes}
    )


def test_a_sink_keeps_its_address_without_the_last_slash_and_hides_its_token():
    settings = sink(url="https://county.example:8443/gateway/", token="s3cret")
    assert settings.url == "https://county.example:8443/gateway"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "county",
        "ftp://h",
        "http://",
        "http://user:pw@h",
        "http://h/?a=1",
        "http://h/#x",
        "http://h:99999",
        "http://[::1",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(ValidationError, match="address of an upper node"):
        sink(url=url)


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Evil: 1", "口令"])
def test_a_token_is_one_visible_word(token):
    with pytest.raises(ValidationError, match="gateway token add"):
        sink(token=token)


def test_unknown_keys_are_errors():
    with pytest.raises(ValidationError):
        CascadeSourceSettings.model_validate({"kind": "cascade", "id": "lower", "port": 1})
