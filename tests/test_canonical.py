"""Canonical JSON has one form, whichever way it was written."""

import json
import math

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.canonical import canonical_json

_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(st.characters(exclude_categories=("Cs",)))


def _trees(leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(_texts, inner) | st.tuples(inner, inner)
    )


_values = _trees(st.none() | st.booleans() | _numbers | _texts)
_exact = _trees(st.none() | st.booleans() | st.floats(-(2**53) + 1, 2**53 - 1) | _texts)


@settings(deadline=None)
@given(_values)
def test_has_the_bytes_of_the_reference(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@settings(deadline=None)
@given(st.floats(1e-7, 1e-2) | st.floats(1e14, 1e22))
def test_floats_near_an_exponent_have_the_bytes_of_the_reference(value: float) -> None:
    assert canonical_json([value, -value]) == rfc8785.dumps([value, -value])


# A float beyond 2**53 has the canonical form of an integer, which then is beyond what canonical JSON takes.
@settings(deadline=None)
@given(_exact)
def test_reads_back_as_the_same_value(value: object) -> None:
    assert json.loads(canonical_json(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, -(2**60), "\ud800", {"\udfff": 1}, {1: 2}, b"x", {1, 2}])
def test_refuses_what_json_cannot_carry(value: object) -> None:
    with pytest.raises(ValueError, match="not canonical JSON"):
        canonical_json({"inside": [value]})
