"""What an answer is made of, whoever shows it: sentences, tables, and pictures with the table behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

NARROWEST = 3


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence or a few. `strong`: the answer itself, before all that explains it."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts: what it is about, the columns, and rows of as many cells."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture (SVG) and what it shows. `table` holds the same figures; None: a table beside the picture does."""

    caption: str
    svg: str
    table: Table | None = None


Block = Said | Table | Picture


def blocks_as_json(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Return blocks as JSON values: `said` has a text, `table` rows of texts, `picture` an SVG and maybe a table."""
    return [{"block": type(each).__name__.lower(), **asdict(each)} for each in blocks]


def text_of(blocks: Sequence[Block]) -> Iterator[str]:
    """Yield the lines of blocks as a terminal shows them: without pictures, with empty lines round tables."""
    after_table = False
    for block in blocks:
        if isinstance(block, Said) and after_table:
            yield ""
        after_table = (after_table and isinstance(block, Picture)) or isinstance(block, Table)
        if isinstance(block, Said):
            yield block.text
        elif isinstance(block, Table):
            yield ""
            yield from table_lines(block)


def table_lines(table: Table) -> Iterator[str]:
    """Yield a table's lines: the first column to the left, the others to the right."""
    cells = [table.columns, *table.rows]
    widths = [max(NARROWEST, *(len(row[place]) for row in cells)) for place in range(len(table.columns))]
    if table.caption:
        yield table.caption
    for place, row in enumerate(cells):
        first, *others = zip(row, widths, strict=True)
        line = "  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)])
        yield f"  {line.rstrip()}"
        if not place:
            yield "  " + "  ".join("-" * width for width in widths)
