"""Signing in with the studio's token, where it has one."""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import BaseModel, Field, SecretStr
from starlette.exceptions import HTTPException

from automl_vision.studio.access import COOKIE, SESSION_SECONDS, Access
from automl_vision.studio.operations import operations

router = operations("session")


class Session(BaseModel):
    """Whether the studio wants a token, and whether it knows this browser."""

    needs_token: bool = Field(description="whether the studio was started with a token")
    signed_in: bool


class SignIn(BaseModel):
    """What the studio printed when it started."""

    token: SecretStr = Field(max_length=1000)


@router.get("/session")
def get_session(request: Request) -> Session:
    """Return whether the studio wants a token, and whether it knows this browser."""
    access: Access = request.app.state.access
    known = access.is_open or access.knows_session(request.cookies.get(COOKIE, ""))
    return Session(needs_token=not access.is_open, signed_in=known)


@router.post("/session", status_code=204, responses={401: {"description": "another token"}})
def sign_in(request: Request, response: Response, body: SignIn) -> None:
    """Exchange the token for a cookie that holds for a week."""
    access: Access = request.app.state.access
    wait = access.seconds_to_wait()
    if wait > 0:
        raise HTTPException(429, "too many wrong tokens; wait a minute", headers={"Retry-After": str(int(wait) + 1)})
    if not access.accepts(body.token.get_secret_value()):
        raise HTTPException(401, "this is not the token that the studio printed when it started")
    response.set_cookie(
        COOKIE,
        access.new_session(),
        max_age=SESSION_SECONDS,
        path=request.scope.get("root_path", "") or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


@router.delete("/session", status_code=204)
def sign_out(request: Request, response: Response) -> None:
    """Forget this browser."""
    response.delete_cookie(COOKIE, path=request.scope.get("root_path", "") or "/")
