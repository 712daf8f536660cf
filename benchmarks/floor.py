"""The floor: the shortest Python program that reads feedback and prints the same lines. It retries nothing and keeps no state.

python -m benchmarks.floor URL KEY
"""

import sys
import time

import orjson
import requests


def main() -> None:
    url, key = sys.argv[1:]
    session = requests.Session()
    session.headers["Authorization"] = f"api_key={key}"
    page, pages = 1, 1
    while page <= pages:
        query: dict[str, str | int] = {"page": page, "limit": 1000, "sort": "createdDate"}
        response = session.get(f"{url}/api/v2/feedback", params=query, timeout=60)
        data = orjson.loads(response.content)["data"]
        pages = data["pages"]
        emitted_at = time.time_ns() // 1_000_000
        for row in data["responses"]:
            message = {"type": "RECORD", "record": {"stream": "feedback", "data": row, "emitted_at": emitted_at}}
            sys.stdout.write(orjson.dumps(message).decode() + "\n")
        page += 1


if __name__ == "__main__":
    main()
