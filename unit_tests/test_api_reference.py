"""docs/api.md: its table of streams agrees with the classes, and each citation of it names an anchor that exists."""

import re
from pathlib import Path

import pytest

from sandbox.endpoints import likely_array, paths_of
from source_retently.streams.base import RetentlyStream
from source_retently.streams.endpoints import STREAMS
from source_retently.streams.paged import PagedStream

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs/api.md"
TEXT = REFERENCE.read_text(encoding="utf-8")
FOLDERS = ("source_retently", "sandbox", "probe", "docs", "unit_tests", "integration_tests", "benchmarks", "examples")


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


def pages() -> list[Path]:
    """Where the reference may be cited."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".json")]
    return [path for path in [*found, *ROOT.glob("*.md")] if path not in (REFERENCE, Path(__file__))]


def cited_in(page: Path) -> set[str]:
    """The anchors that a page cites."""
    return set(re.findall(r"\bapi\.md#([\w-]*)", page.read_text(encoding="utf-8")))


def test_the_table_has_all_streams_in_their_order() -> None:
    assert list(table()) == [stream().name for stream in STREAMS]


@pytest.mark.parametrize("stream", [make() for make in STREAMS], ids=lambda stream: str(stream.name))
def test_streams_match_the_table(stream: RetentlyStream) -> None:
    row = table()[stream.name]
    assert stream.path() == row["path"]
    assert (stream.old_path or row["old path"]) == row["old path"]
    assert paths_of(stream) == [path for path in (row["path"], row["old path"]) if path]  # what the sandbox serves
    assert likely_array(stream) == row["array"]
    assert stream.primary_key == row["key"]
    assert (stream.sort or "") == row["sort"]
    assert isinstance(stream, PagedStream) == (row["paged"] == "yes")


def test_no_anchor_is_there_twice() -> None:
    found = anchors(TEXT)
    assert sorted(found) == sorted(set(found))


def test_citations_name_anchors_that_exist() -> None:
    known = set(anchors(TEXT))
    dead = {(page.relative_to(ROOT).as_posix(), anchor) for page in pages() for anchor in cited_in(page) - known}
    assert not dead


def test_links_to_the_reference_have_the_right_path() -> None:
    links = [
        (page, link) for page in pages() for link in re.findall(r"\]\(([^):#]*\bapi\.md)", page.read_text(encoding="utf-8"))
    ]
    assert links
    assert all((page.parent / link).resolve() == REFERENCE for page, link in links)


def test_no_citation_by_number_is_left() -> None:
    number = re.compile(r"\b(?:reference|contradictions?),? \d", re.IGNORECASE)
    assert not [page for page in pages() if number.search(page.read_text(encoding="utf-8"))]


def test_each_stream_is_cited_where_it_is_made() -> None:
    streams = [path for path in pages() if "streams" in path.parts]
    sections = set(re.findall(r"^\| \[`\w+`\]\(#(\w+)\)", TEXT, re.MULTILINE))
    assert sections <= {anchor for path in streams for anchor in cited_in(path)}


def test_each_finding_of_the_probe_cites_it() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "probe").glob("*.py"))
    assert len(re.findall(r'"docs/api\.md#[\w-]+"', source)) >= 25
    assert not re.findall(r'"\d+(?:\.\d+|, \d+)*"(?=,)', source)
