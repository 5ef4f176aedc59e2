"""How long things take and may take while one listens to a device."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds.

    ``hold``: how long a device is asked to hold an empty answer at first; a Tapo hangs up after ten, whatever it was
    asked. ``longest_hold``: once it has shown that it can hold one; an idle device costs one request in that time, and one
    that died is noticed so much later. ``after_empty``, ``after_some``: the least time from one request to the next, for
    there are devices that hold nothing. ``silence``: without a word, after which it is asked for its states, and ``deaf``:
    how long it then has before its subscription counts as dead; events that end silently are what users complain of most.
    ``alive``: how often one that calls us is asked to renew, since nothing else shows that it booted and forgot us.
    ``call``: how long a device has to call us with the states that it was asked for. ``anew``: the least time between two subscriptions of one attempt.
    """

    hold: float = 8.0
    longest_hold: float = 30.0
    after_empty: float = 0.5
    after_some: float = 0.1
    silence: float = 1800.0
    deaf: float = 60.0
    alive: float = 60.0
    call: float = 60.0
    anew: float = 30.0
    tick: float = 1.0
    unsubscribe: float = 4.0
