"""Who may ask: the API key, and the OAuth application with its tokens."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sandbox.errors import ApiError
from sandbox.switches import Switches

API_KEY = "sandbox-key"
CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", "refresh_token": "sandbox-refresh"}


class SignIn:
    """Accepts one API key, and the access tokens that it has issued."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._refresh_token = CLIENT["refresh_token"]
        self._expiries: dict[str, float] = {}

    def accepts(self, request: Request) -> bool:
        """Whether a request has the key in one of its forms, or a valid access token (docs/api.md#authentication)."""
        header = request.headers.get("authorization", "").strip()
        keys = (header.removeprefix("api_key="), request.headers.get("x-api-key"), request.query_params.get("api_key"))
        return self._api_key in keys or self._expiries.get(header.removeprefix("Bearer "), 0) > time.monotonic()

    def refresh(self, form: Mapping[str, Any], switches: Switches) -> dict[str, Any]:
        """The body of the token endpoint (docs/api.md#oauth); refresh tokens only.

        :raises ApiError: when it is not the application, or its refresh token was replaced
        """
        client = {**CLIENT, "refresh_token": self._refresh_token}
        if form.get("grant_type") != "refresh_token" or any(form.get(name) != value for name, value in client.items()):
            raise ApiError(400, "invalid_grant")
        token = secrets.token_hex(16)
        self._expiries[token] = time.monotonic() + switches.token_seconds
        if switches.refresh_token == "rotated":
            self._refresh_token = f"sandbox-refresh-{secrets.token_hex(8)}"
        return {"access_token": token, "refresh_token": self._refresh_token, "expires_in": switches.token_seconds}

    def issued(self) -> list[str]:
        """All access tokens so far, and the present refresh token."""
        return [*self._expiries, self._refresh_token]
