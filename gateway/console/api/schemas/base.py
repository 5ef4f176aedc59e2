"""What all answers share."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

Item = TypeVar("Item")


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Page(Shape, Generic[Item]):
    """`next` is an opaque string for `cursor`, or null on the last page."""

    items: list[Item]
    next: str | None


class Problem(BaseModel):
    """RFC 9457 problem details. `detail` is a sentence for a person; some problems have further members."""

    type: str
    title: str
    status: int
    detail: str


class Place(Shape):
    """WGS 84 degrees."""

    lon: float | None
    lat: float | None
    address: str | None
    area_code: str | None
