"""What may stand against a change of the configuration, as the problem that it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.console.problems import Problem, sentence
from gateway.console.registrar import NotInForce
from gateway.errors import ConfigError, RunningError, UsageError


@contextmanager
def writing() -> Iterator[None]:
    """Around a change. Raises Problem."""
    try:
        yield
    except NotInForce as error:
        raise Problem(409, sentence(error)) from None
    except ConfigError as error:
        raise Problem(
            409, "The configuration would have faults; nothing was written.", faults=list(error.faults)
        ) from None
    except UsageError as error:
        raise Problem(422, sentence(error)) from None
    except RunningError as error:
        raise Problem(503, sentence(error)) from None
