"""Who may log in: administrators see, add and change the console's users."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from gateway.console.account_records import User
from gateway.console.api.paging import page
from gateway.console.api.schemas import Page, Shape
from gateway.console.api.schemas import Problem as ProblemShape
from gateway.console.auth import Administrator, Caller
from gateway.console.problems import Problem, sentence
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.errors import UsageError
from gateway.model import rfc3339

router = APIRouter(prefix=API, tags=["users"])

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is taken for another when it is read aloud
_GROUPS, _GROUP = 4, 4  # 80 bits

Name = Annotated[str, Field(min_length=1, max_length=64)]
Areas = Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=64)]
_NO_USER: dict[int | str, dict[str, Any]] = {404: {"model": ProblemShape, "description": "there is no such user here"}}
_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemShape, "description": "the accounts do not allow it"}
}


class NewUser(BaseModel):
    """`areas`: beginnings of area codes; none means all."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: str = Field(max_length=32)
    areas: Areas = []


class UserChange(BaseModel):
    """What is left out stays. `new_password`: make one; the former one and the user's logins end."""

    model_config = ConfigDict(extra="forbid")

    role: str | None = Field(None, max_length=32)
    areas: Areas | None = None
    disabled: bool | None = None
    new_password: bool = False


class ConsoleUser(Shape):
    name: str
    role: str
    areas: list[str]
    disabled: bool
    created_at: str


class UserGiven(ConsoleUser):
    """`password`: where one was made; it is never shown again."""

    password: str | None


@router.get("/users", response_model=Page[ConsoleUser])
async def users(found: Administrator, house: House) -> Response:
    """Those within your areas, disabled ones too."""
    every = await house.gatekeeper.manage(lambda accounts: accounts.users())
    return JSONResponse(page([_json(each) for each in every if _within(found, each.areas)], None))


@router.post("/users", status_code=201, response_model=UserGiven, responses=_REFUSED)
async def add_user(wanted: NewUser, found: Administrator, house: House) -> Response:
    """A new user, with the password made for it."""
    _require_within(found, wanted.areas)
    await house.audit(found.principal, "add_user", f"users/{wanted.name}", detail=_words(wanted))
    password = _password()
    try:
        await house.gatekeeper.manage(
            lambda accounts: accounts.add_user(wanted.name, wanted.role, password, wanted.areas)
        )
    except UsageError as error:
        raise Problem(409, sentence(error)) from None
    return JSONResponse({**_json(await _user(house, wanted.name, found)), "password": password}, 201)


@router.patch("/users/{user_name}", response_model=UserGiven, responses={**_NO_USER, **_REFUSED})
async def change_user(
    user_name: Annotated[str, Path(min_length=1, max_length=64)], wanted: UserChange, found: Administrator, house: House
) -> Response:
    """The user after the change. Nobody disables himself or takes his own role, and the last administrator stays."""
    known = await _user(house, user_name, found)
    if known.name == found.principal.name and (wanted.disabled or wanted.role not in (None, known.role)):
        raise Problem(409, "This is your own account: another administrator disables it or gives it another role.")
    if wanted.areas is not None:
        _require_within(found, wanted.areas)
    await house.audit(found.principal, "change_user", f"users/{known.name}", detail=_words(wanted))
    password = _password() if wanted.new_password else None
    try:
        await house.gatekeeper.manage(
            lambda accounts: accounts.change_user(
                known.name, role=wanted.role, areas=wanted.areas, disabled=wanted.disabled
            )
        )
        if password is not None:
            await house.gatekeeper.manage(lambda accounts: accounts.set_password(known.name, password))
    except UsageError as error:
        raise Problem(409, sentence(error)) from None
    return JSONResponse({**_json(await _user(house, known.name, found)), "password": password})


async def _user(house: Services, name: str, found: Caller) -> User:
    every = await house.gatekeeper.manage(lambda accounts: accounts.users())
    wanted = next((each for each in every if each.name == name and _within(found, each.areas)), None)
    if wanted is None:
        raise Problem(404, "There is no such user here.")
    return wanted


def _within(found: Caller, areas: tuple[str, ...] | list[str]) -> bool:
    """Whether an administrator of some areas has a say in somebody of these."""
    own = found.principal.areas
    return not own or (bool(areas) and all(area.startswith(own) for area in areas))


def _require_within(found: Caller, areas: list[str]) -> None:
    if not _within(found, areas):
        raise Problem(403, f"Your areas are {', '.join(found.principal.areas)}: name areas within them.")


def _password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))


def _words(wanted: NewUser | UserChange) -> str:
    said = wanted.model_dump(exclude_unset=True, exclude={"name"})
    return "; ".join(
        f"{key}: {', '.join(value) or 'all' if isinstance(value, list) else value}" for key, value in said.items()
    )


def _json(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role,
        "areas": list(user.areas),
        "disabled": user.disabled,
        "created_at": rfc3339(user.created_at),
    }
