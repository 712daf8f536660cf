"""The body of a streamed response: read once, within a time for all of it, and parsed once."""

import time
from typing import Any, NamedTuple

import requests
import urllib3

from source_retently.http import lenient_json


class Body(NamedTuple):
    """A parsed body."""

    value: Any
    nuls: int
    """How many U+0000 were removed from it."""
    size: int
    """Bytes, uncompressed."""


def parsed_body(response: requests.Response) -> Body:
    """The body, parsed unless it was before.

    :raises ValueError: when it is not JSON
    """
    body: Body | None = vars(response).get("parsed_body")
    return body or _parse(response, response.content)


def read_body(response: requests.Response, seconds: float) -> Any:
    """Reads and parses the body of a streamed response, within a time for all of it.

    :return: the parsed value
    :raises requests.RequestException: when the connection breaks or the time is over
    :raises ValueError: when it is not JSON
    """
    until = time.monotonic() + seconds
    body = bytearray()
    try:
        # read1 returns what has arrived, not a full chunk: a server that sends slowly would never let the time be checked.
        while chunk := response.raw.read1(1 << 20, decode_content=True):
            body += chunk
            if time.monotonic() > until:
                response.close()
                raise requests.exceptions.ReadTimeout("the response takes too long", request=response.request)
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error, request=response.request) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error, request=response.request) from error
    return _parse(response, body).value


def _parse(response: requests.Response, body: bytes | bytearray) -> Body:
    parsed = vars(response)["parsed_body"] = Body(*lenient_json.parse(body), len(body))
    return parsed
