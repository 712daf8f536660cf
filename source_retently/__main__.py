"""`python -m source_retently spec|check|discover|read`: the same as `main.py`."""

from source_retently.run import run

if __name__ == "__main__":
    run()
