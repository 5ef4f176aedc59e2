from dataclasses import dataclass

from adapters.onvif.discovery.budget import TimeBudget


@dataclass
class Time:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_share_of_the_time_is_given_and_no_more():
    time = Time()
    budget = TimeBudget(0.1, 0.5, time)
    began, spent = time.now, 0.0
    while time.now < began + 100:
        if budget.is_spent:
            time.now += 0.01
            continue
        with budget.spending():
            time.now += 0.05
        spent += 0.05
    assert 9.5 <= spent <= 0.5 + 10 + 0.1


def test_a_long_rest_earns_no_more_than_the_burst():
    time = Time()
    budget = TimeBudget(0.5, 1.0, time)
    time.now += 3600
    assert not budget.is_spent
    with budget.spending():
        time.now += 3
    time.now += 0.9
    assert budget.is_spent
    time.now += 0.2
    assert not budget.is_spent
