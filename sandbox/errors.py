"""Responses with a status other than 200."""


class ApiError(Exception):
    """A refusal of the API, with the status and message of its body (docs/api.md#errors)."""

    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        """
        :param message: where the API has a standard message for the status, it may be left out
        """
        standard = {400: "Bad request", 404: "Not found", 429: "Too many requests", 504: "Gateway timeout"}
        self.status, self.message, self.headers = status, message or standard[status], headers
