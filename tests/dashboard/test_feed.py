"""The feed: it runs while somebody looks, reads once for everybody, and misses nothing."""

from __future__ import annotations

import asyncio

import pytest

from dashboard.live.feed import Feed
from dashboard.live.topics import Have, Topic
from orchestration.engine.queries import Change
from tests.dashboard.followers import Desk, News, Page, part, texts
from tests.waiting import wait_for_async


def _feed(news: News) -> Feed:
    return Feed(interval=0.01, changes=news.after, patience=0.02, run=asyncio.to_thread)


async def _until(ask, what: str) -> None:
    async def asked() -> bool:
        return bool(ask())

    await wait_for_async(asked, what=what)


async def test_it_tells_a_page_what_it_lacks_and_then_what_changes():
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.write(part("a", "one"), seq=5)
    feed.follow(page, desk.wish(have=Have(seq=3)))
    await _until(lambda: texts(page) == {"a": "one"}, "the snapshot")
    desk.write(part("a", "two"), seq=6)
    news.tell(seq=6)
    await _until(lambda: texts(page) == {"a": "two"}, "the change")
    assert page.seq == 6
    feed.leave(page)


async def test_it_sends_nothing_again_to_a_page_that_is_up_to_date():
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.write(part("a", "one"), seq=5)
    feed.follow(page, desk.wish(have=Have(seq=5)))
    await _until(lambda: page.frames, "the first word")
    assert page.shown == {}
    assert page.version
    desk.write(part("a", "two"), seq=6)
    feed.leave(page)
    other = Page()
    feed.follow(other, desk.wish(have=Have()))
    await _until(lambda: texts(other) == {"a": "two"}, "the snapshot")
    feed.leave(other)


async def test_it_gives_a_page_that_comes_back_what_changed_in_between():
    news, desk, page, other = News(), Desk(), Page(), Page()
    feed = _feed(news)
    desk.write(part("a", "one"), part("b", "still"))
    feed.follow(page, desk.wish())
    feed.follow(other, desk.wish())
    await _until(lambda: page.version and other.version, "the snapshots")
    feed.leave(page)
    page.frames.clear()
    desk.write(part("a", "two"), part("b", "still"))
    news.tell(seq=2)
    await _until(lambda: texts(other)["a"] == "two", "the change")
    feed.follow(page, desk.wish(have=Have(version=page.version)))
    await _until(lambda: page.frames, "what was missed")
    assert [set(frame.parts) for frame in page.frames] == [{"a"}]
    feed.leave(page)
    feed.leave(other)


async def test_it_gives_a_page_that_comes_back_nothing_if_nothing_changed():
    news, desk, page, other = News(), Desk(), Page(), Page()
    feed = _feed(news)
    desk.write(part("a", "one"))
    feed.follow(other, desk.wish())
    feed.follow(page, desk.wish())
    await _until(lambda: page.version, "the snapshot")
    feed.leave(page)
    page.frames.clear()
    feed.follow(page, desk.wish(have=Have(version=page.version)))
    await _until(lambda: page.frames, "the first word")
    assert not page.frames[0]
    feed.leave(page)
    feed.leave(other)


async def test_it_reads_once_for_all_who_look():
    news, desk = News(), Desk()
    feed = _feed(news)
    pages = [Page() for _ in range(50)]
    desk.write(part("a", "one"))
    for page in pages:
        feed.follow(page, desk.wish())
    await _until(lambda: all(page.shown for page in pages), "all snapshots")
    before = desk.reads
    desk.write(part("a", "two"))
    news.tell(seq=2)
    await _until(lambda: all(texts(page) == {"a": "two"} for page in pages), "all changes")
    assert desk.reads == before + 1
    for page in pages:
        feed.leave(page)


async def test_it_asks_nothing_of_the_database_while_nobody_looks():
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.write(part("a", "one"))
    feed.follow(page, desk.wish())
    await _until(lambda: page.shown, "the snapshot")
    feed.leave(page)
    await _until(lambda: not feed.running, "the feed to end")
    asked = news.asked
    feed.follow(page, desk.wish())
    await _until(lambda: news.asked > asked, "the feed to run again")
    feed.leave(page)


async def test_it_does_not_read_for_what_concerns_nobody():
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.write(part("a", "one"))
    feed.follow(page, desk.wish())
    await _until(lambda: page.shown, "the snapshot")
    reads, asked = desk.reads, news.asked
    news.tell(execution_id="another")
    news.tell(team_id=2)
    await _until(lambda: news.asked > asked + 3, "the news to be heard")
    assert desk.reads == reads
    feed.leave(page)


async def test_it_loses_nothing_while_the_database_does_not_answer():
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.write(part("a", "one"))
    feed.follow(page, desk.wish())
    await _until(lambda: page.shown, "the snapshot")
    news.broken = OSError("gone")
    await _until(lambda: not feed.fresh, "the loss to be noticed")
    desk.write(part("a", "two"))
    news.tell(seq=2)
    news.broken = None
    await _until(lambda: texts(page) == {"a": "two"}, "the change")
    assert feed.fresh
    feed.leave(page)


async def test_it_reads_again_after_a_reading_that_failed():
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.broken = OSError("torn")
    feed.follow(page, desk.wish())
    await _until(lambda: desk.reads > 1, "the second try")
    desk.broken = None
    desk.write(part("a", "one"))
    await _until(lambda: texts(page) == {"a": "one"}, "the snapshot")
    feed.leave(page)


async def test_it_looks_again_when_time_alone_changes_the_picture():
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.again_after = 0.02
    desk.write(part("a", "one"))
    feed.follow(page, desk.wish())
    await _until(lambda: page.shown, "the snapshot")
    desk.write(part("a", "two"))
    await _until(lambda: texts(page) == {"a": "two"}, "the second look")
    feed.leave(page)


async def test_it_takes_in_ten_thousand_changes_with_few_readings():
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.write(part("a", "0"))
    feed.follow(page, desk.wish(interval=0.1))
    await _until(lambda: page.shown, "the snapshot")
    before = desk.reads
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(10_000):
        desk.write(part("a", str(number)))
        news.tell(seq=number)
        if number % 100 == 0:
            await asyncio.sleep(0)
    await _until(lambda: texts(page) == {"a": "9999"}, "the last word")
    assert desk.reads - before <= (loop.time() - began) / 0.1 + 2
    feed.leave(page)


def test_it_reads_what_is_expensive_less_often():
    topic = _Silent(("t",), 0.1)
    topic.paced(100.0, 100.3)
    assert not topic.due(101.1)
    assert topic.due(101.3)
    topic.paced(200.0, 300.0)
    assert topic.due(305.1)


class _Silent(Topic):
    def hear(self, changes: list[Change]) -> None:
        pass

    def begin(self) -> None:
        pass

    def tell(self, result: None) -> None:
        pass


@pytest.mark.parametrize("have", ["", "x.y", "other.1"])
async def test_it_gives_everything_to_a_page_of_another_time(have: str):
    news, desk, page = News(), Desk(), Page()
    feed = _feed(news)
    desk.write(part("a", "one"))
    feed.follow(page, desk.wish(have=Have(version=have)))
    await _until(lambda: texts(page) == {"a": "one"}, "the snapshot")
    feed.leave(page)
