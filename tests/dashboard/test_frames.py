"""Boards and outboxes: what changed is told once, the last word wins, and nothing grows without a bound."""

from __future__ import annotations

import random

from dashboard.live.frames import Board, Frame, Shown
from dashboard.live.outbox import FRAME_PARTS, Outbox
from tests.dashboard.followers import Page, part, texts


def test_it_tells_only_what_changed():
    board = Board("t")
    first = board.put([part("a", "1"), part("b", "1", "list")], seq=1)
    assert set(first.parts) == {"a", "b"}
    assert first.orders == {"list": ("b",)}
    second = board.put([part("a", "1"), part("b", "2", "list"), part("c", "1", "list")], seq=2)
    assert set(second.parts) == {"b", "c"}
    assert second.orders == {"list": ("b", "c")}
    assert not board.put([part("a", "1"), part("b", "2", "list"), part("c", "1", "list")], seq=3)
    assert board.version == "t.2"


def test_it_tells_a_page_that_was_away_all_that_it_missed_and_no_more():
    board = Board("t")
    for seq in range(1, 6):
        board.put([part("a", "still"), part("b", str(seq))], seq=seq)
    missed = board.since("t.3")
    assert missed is not None
    assert set(missed.parts) == {"b"}
    assert not board.since("t.5")
    assert board.since("other.3") is None
    assert board.since("t.99") is None
    assert board.since("t.x") is None
    assert set(board.whole().parts) == {"a", "b"}


def test_it_tells_what_is_gone_by_the_order_of_the_list():
    board = Board("t")
    board.put([part("a", "1", "list"), part("b", "1", "list")], seq=1)
    assert board.put([part("b", "1", "list")], seq=2).orders == {"list": ("b",)}
    assert board.put([], seq=3).orders == {"list": ()}


def test_it_ends_with_the_same_page_however_the_frames_are_merged():
    chance = random.Random(7)
    board, always, seldom, box = Board("t"), Page(), Page(), Outbox()
    for seq in range(300):
        names = chance.sample("abcdefgh", chance.randint(0, 8))
        frame = board.put([part(name, str(chance.randint(0, 2)), "list") for name in names], seq=seq)
        if frame:
            always.offer(frame)
            box.put(frame)
        if chance.random() < 0.1:
            while box:
                seldom.offer(box.take())
    while box:
        seldom.offer(box.take())
    assert seldom.orders == always.orders
    assert {id: texts(seldom)[id] for id in seldom.orders["list"]} == {
        id: texts(always)[id] for id in always.orders["list"]
    }
    assert (seldom.version, seldom.seq) == (always.version, always.seq)
    assert len(seldom.frames) < len(always.frames)


def _frame(number: int, *, parts: int = 1) -> Frame:
    shown = {f"row-{place}": Shown(f"row-{place}", f"<p>{number}</p>") for place in range(parts)}
    return Frame(shown, {"list": tuple(shown)}, f"t.{number}", number)


def test_it_merges_ten_thousand_changes_of_one_row_into_one():
    box = Outbox()
    for number in range(10_000):
        box.put(_frame(number))
    assert len(box) == 1
    taken = box.take()
    assert taken.parts["row-0"].html == "<p>9999</p>"
    assert (taken.version, taken.seq) == ("t.9999", 9999)
    assert not box


def test_it_empties_itself_rather_than_grow_and_asks_for_a_snapshot():
    box = Outbox(parts=50)
    for number in range(200):
        box.put(Frame({f"row-{number}": Shown(f"row-{number}", "")}, {}, f"t.{number}", number))
    assert box.overflowed
    assert len(box) == 0
    assert box
    box.clear()
    assert not box


def test_it_cuts_big_frames_and_sends_orders_and_version_last():
    box = Outbox()
    box.put(_frame(1, parts=FRAME_PARTS * 2 + 10))
    frames = []
    while box:
        frames.append(box.take())
    assert [len(frame.parts) for frame in frames] == [FRAME_PARTS, FRAME_PARTS, 10]
    assert [bool(frame.orders) for frame in frames] == [False, False, True]
    assert [frame.version for frame in frames] == ["", "", "t.1"]


def test_it_cuts_frames_by_length_but_always_sends_something():
    box = Outbox()
    box.put(Frame({name: Shown(name, "x" * 300_000) for name in "abc"}, {}, "t.1", 1))
    sizes = []
    while box:
        sizes.append(len(box.take().parts))
    assert sizes == [1, 1, 1]
