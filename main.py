"""The connector's command line: `python main.py spec|check|discover|read`."""

from source_retently.run import run

if __name__ == "__main__":
    run()
