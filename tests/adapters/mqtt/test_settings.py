import pytest
from pydantic import ValidationError

from adapters.mqtt.settings import MqttSettings


def settings(**given):
    return MqttSettings.model_validate({"kind": "mqtt", "id": "tv", "url": "mqtt://127.0.0.1:1883", **given})


@pytest.mark.parametrize(
    ("url", "host", "port", "secure"),
    [
        ("mqtt://127.0.0.1:1884", "127.0.0.1", 1884, False),
        ("mqtt://broker", "broker", 1883, False),
        ("mqtts://broker.example/", "broker.example", 8883, True),
        ("mqtt://[::1]:1885", "::1", 1885, False),
    ],
)
def test_addresses(url, host, port, secure):
    made = settings(url=url)
    assert (made.host, made.port, made.secure) == (host, port, secure)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"url": "http://broker"}, "mqtt://"),
        ({"url": "broker:1883"}, "mqtt://"),
        ({"url": "mqtt://:1883"}, "host"),
        ({"url": "mqtt://broker:99999"}, "port"),
        ({"url": "mqtt://broker:0"}, "port"),
        ({"url": "mqtt://broker/path"}, "ends after its port"),
        ({"url": "mqtt://user:hunter2@broker"}, "username and password"),
        ({"tls": {}}, "mqtts://"),
        ({"password": "x"}, "without username"),
        ({"protocol": "4"}, "3.1.1"),
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"client_id": "x"}, "client_id"),
    ],
)
def test_faults_say_what_is_accepted(given, word):
    with pytest.raises(ValidationError) as caught:
        settings(**given)
    assert word in str(caught.value)


@pytest.mark.parametrize("protocol", ["auto", "5", 5, "3.1.1"])
def test_protocols(protocol):
    assert settings(protocol=protocol).protocol == str(protocol)


def test_the_password_stays_out_of_prints():
    assert "hunter2" not in repr(settings(username="u", password="hunter2"))
