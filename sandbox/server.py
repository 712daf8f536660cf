"""The command line of `python -m sandbox`, and the server behind it."""

import argparse
from datetime import datetime, time, timezone
from socket import IPPROTO_TCP, TCP_NODELAY

import uvicorn

from sandbox.account import Account
from sandbox.app import Sandbox
from sandbox.control import Control
from sandbox.endpoints import PAGED
from sandbox.sign_in import API_KEY, SignIn
from sandbox.store import Store
from sandbox.switches import OPTIONS as SWITCHES
from sandbox.switches import Option, Switches

ROWS = {"customers": 2500, "companies": 240, "feedback": 4200, "outbox": 9000}
OPTIONS: tuple[Option, ...] = (
    Option("port", 8700, "The port; 0 for a free one."),
    Option("api_key", API_KEY, "The API key that is accepted."),
    Option("certificate", "", "A PEM file with a certificate and its key: the sandbox uses TLS."),
    Option("seed", 1, "Other values and dates in the rows."),
    Option("newest", "today", "The day at whose start (UTC) the dates of the rows end, for example 2026-06-01."),
    Option("properties", 0, "How many custom properties more each customer has, 100 bytes each."),
    *(Option(stream.name, ROWS.get(stream.name, 100), f"How many rows {stream.name} has.") for stream in PAGED),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="An imitation of the Retently API on this machine.",
        epilog="sandbox/README.md: how to point the connector at it, what its account has, and how to change it while it runs.",
    )
    for title, options in (("the account", OPTIONS), ("switches: how the API behaves", SWITCHES)):
        group = parser.add_argument_group(title)
        for option in options:
            group.add_argument(
                option_name(option),
                choices=option.positions or None,
                type=type(option.default),
                default=option.default,
                help=f"{option.text} (default: {option.default or 'none'})".replace("%", "%%"),
            )
    chosen = vars(parser.parse_args())
    try:
        newest = midnight(chosen["newest"])
    except ValueError:
        parser.error("--newest must be today, or a date such as 2026-06-01")
    account = Account({stream.name: chosen[stream.name] for stream in PAGED}, chosen["seed"], newest, chosen["properties"])
    switches = Switches().changed(**{option.name: chosen[option.name] for option in SWITCHES})
    app = Sandbox(Control(Store(account), switches), SignIn(chosen["api_key"])).app()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            date_header=False,  # responses have one of their own, by the API's clock
            lifespan="off",
            timeout_graceful_shutdown=1,
            ssl_certfile=chosen["certificate"] or None,
        )
    )
    socket = uvicorn.Config(app, host="127.0.0.1", port=chosen["port"], log_level="error").bind_socket()
    # asyncio does it for the sockets that it makes itself. Without it, each response waits for 40 ms between head and body.
    socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    socket.listen(128)  # who reads the next line may connect at once
    address = "https://localhost" if chosen["certificate"] else "http://127.0.0.1"
    print(f"Sandbox of the Retently API on {address}:{socket.getsockname()[1]}", flush=True)
    server.run(sockets=[socket])


def midnight(day: str) -> datetime:
    """
    :param day: a date such as 2026-06-01, or the word today
    :raises ValueError: when it is neither
    """
    now = datetime.now(timezone.utc) if day == "today" else datetime.fromisoformat(day)
    return datetime.combine(now, time(), timezone.utc)


def option_name(option: Option) -> str:
    return f"--{option.name.replace('_', '-')}"
