"""`--version` and `--help`: what is printed, and that no option is listed that this connector ignores."""

import pytest

from source_retently import __version__
from source_retently.entrypoint import _parse
from source_retently.spec import DOCUMENTATION_URL


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        _parse(list(words))
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--version") == f"source-retently {__version__}\n"


@pytest.mark.parametrize("columns", ["200", "30"])
def test_the_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = printed(capsys, "--help")
    assert text.startswith("usage: source-retently")
    for part in ("Airbyte source connector for Retently", f"version {__version__}", DOCUMENTATION_URL):
        assert part in text


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("spec", {"--help", "--debug"}),
        ("check", {"--help", "--debug", "--config"}),
        ("discover", {"--help", "--debug", "--config"}),
        ("read", {"--help", "--debug", "--config", "--catalog", "--state"}),
    ],
)
def test_each_command_lists_its_options(capsys: pytest.CaptureFixture[str], command: str, options: set[str]) -> None:
    text = printed(capsys, command, "--help")
    assert {word.strip("[],") for word in text.split() if word.strip("[").startswith("--")} == options
