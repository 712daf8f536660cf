"""The body of a streamed response: read once, within a time for all of it, and parsed once."""

import time
from typing import Any

import requests
import urllib3

from source_retently.http import lenient_json


def parsed_body(response: requests.Response) -> Any:
    """The parsed body.

    :raises ValueError: when it is not JSON
    """
    return _parsed(response)[0]


def nuls_in(response: requests.Response) -> int:
    """How many U+0000 were removed from the body."""
    return _parsed(response)[1]


def size_of_body(response: requests.Response) -> int:
    """Bytes of the body, uncompressed."""
    return _parsed(response)[2]


def read_body(response: requests.Response, seconds: float) -> None:
    """Reads and parses the body of a streamed response, within a time for all of it.

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
    _parse(response, body)


def _parsed(response: requests.Response) -> tuple[Any, int, int]:
    if "parsed_body" not in vars(response):
        _parse(response, response.content)
    parsed: tuple[Any, int, int] = vars(response)["parsed_body"]
    return parsed


def _parse(response: requests.Response, body: bytes | bytearray) -> None:
    vars(response)["parsed_body"] = (*lenient_json.parse(body), len(body))
