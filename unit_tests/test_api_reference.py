"""docs/api.md: its table of streams agrees with the classes, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from source_retently.streams import STREAMS, RetentlyStream

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs/api.md"
TEXT = REFERENCE.read_text(encoding="utf-8")
OLD_PATH = "old_path"
"""The attribute of a stream that has an old path; a class without it may have either path."""


def cells(line: str) -> list[str]:
    """The cells of a line of a Markdown table: the first piece of code in each, else its text."""
    found = [cell.strip() for cell in line.strip().strip("|").split("|")]
    return [code.group(1) if (code := re.search(r"`([^`]+)`", cell)) else cell for cell in found]


def table() -> dict[str, dict[str, str]]:
    """The table of streams, by name."""
    lines = iter(TEXT.partition("\n## Streams\n")[2].splitlines())
    header = next(cells(line) for line in lines if line.startswith("|"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(header, cells(line), strict=True)))
    return {row["name"]: row for row in rows}


def anchors(text: str) -> list[str]:
    """The anchors of a page: explicit ones, and those that GitHub makes of headings."""
    headings = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return slugs + re.findall(r'<a id="([^"]+)"></a>', text)


def likely_array(stream: RetentlyStream) -> str:
    """The first path where rows may be; one below another path comes before it, however unlikely it is."""
    paths = stream.records_at
    return next(path for path in paths if not any(path.startswith(f"{other}.") for other in paths))


def test_the_table_has_all_streams_in_their_order() -> None:
    assert list(table()) == [stream().name for stream in STREAMS]


@pytest.mark.parametrize("stream", [make() for make in STREAMS], ids=lambda stream: str(stream.name))
def test_a_stream_is_as_the_table_says(stream: RetentlyStream) -> None:
    row = table()[stream.name]
    old_path = getattr(stream, OLD_PATH, None)
    assert stream.path() in ({row["path"]} if old_path else {row["path"], row["old path"]})
    assert old_path in (None, row["old path"])
    assert likely_array(stream) == row["array"]
    assert stream.primary_key == row["key"]
    assert (stream.sort or "") == row["sort"]
    assert stream.is_paged == (row["paged"] == "yes")


def test_no_anchor_is_there_twice() -> None:
    found = anchors(TEXT)
    assert sorted(found) == sorted(set(found))


def test_links_within_the_reference_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= set(anchors(TEXT))
