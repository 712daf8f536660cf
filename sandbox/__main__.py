"""`python -m sandbox`: runs the stand-in of the API until it is stopped."""

import argparse
from dataclasses import fields
from typing import get_args, get_type_hints

import uvicorn

from sandbox.app import API_KEY, Sandbox
from sandbox.data import Account
from sandbox.store import Store
from sandbox.switches import Switches


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A stand-in of the Retently API on this machine.")
    parser.add_argument("--port", type=int, default=8700, help="0 takes a free one (default: 8700)")
    parser.add_argument("--api-key", default=API_KEY, help=f"the key that it accepts (default: {API_KEY})")
    parser.add_argument(
        "--certificate", help="a PEM file with a certificate and its key: the sandbox speaks TLS (default: none)"
    )
    for count in fields(Account):
        parser.add_argument(f"--{count.name}", type=int, default=count.default, help=f"(default: {count.default})")
    types = get_type_hints(Switches)
    for switch in fields(Switches):
        positions = get_args(types[switch.name])
        parser.add_argument(
            f"--{switch.name.replace('_', '-')}",
            choices=positions or None,
            type=str if positions else int,
            default=switch.default,
            help=f"(default: {switch.default})",
        )
    chosen = vars(parser.parse_args())
    account = Account(**{count.name: chosen[count.name] for count in fields(Account)})
    switches = Switches().changed(**{switch.name: chosen[switch.name] for switch in fields(Switches)})
    app = Sandbox(Store(account), switches, chosen["api_key"]).app()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            date_header=False,  # responses have one of their own, by the API's clock
            lifespan="off",
            timeout_graceful_shutdown=1,
            ssl_certfile=chosen["certificate"],
        )
    )
    socket = uvicorn.Config(app, host="127.0.0.1", port=chosen["port"], log_level="error").bind_socket()
    socket.listen(128)  # whoever reads the next line may connect at once
    where = "https://localhost" if chosen["certificate"] else "http://127.0.0.1"
    print(f"Sandbox of the Retently API on {where}:{socket.getsockname()[1]}", flush=True)
    server.run(sockets=[socket])


if __name__ == "__main__":
    main()
