"""The queue to a page is bounded, and keeps the newest state."""

from __future__ import annotations

import asyncio

from folkmoot.agent.page.outbox import EVENTS_MAX, Outbox


def drain(outbox: Outbox) -> list[object]:
    async def run() -> list[object]:
        return [dict(await outbox.take()) for _ in range(len(outbox))]

    return asyncio.run(run())


def test_a_snapshot_replaces_the_waiting_one_and_comes_after_what_it_includes() -> None:
    outbox = Outbox()
    outbox.put({"event": "snapshot", "epoch": 1})
    outbox.put({"event": "chat", "text": "a"})
    outbox.put({"event": "snapshot", "epoch": 2})
    assert drain(outbox) == [{"event": "chat", "text": "a"}, {"event": "snapshot", "epoch": 2}]


def test_levels_are_kept_for_each_speaker_once() -> None:
    outbox = Outbox()
    for level in range(1000):
        outbox.put({"event": "speaking", "member": "a", "level": level})
        outbox.put({"event": "speaking", "member": "b", "level": level})
    assert [event["level"] for event in drain(outbox)] == [999, 999]  # type: ignore[index]


def test_a_page_that_takes_nothing_costs_a_bounded_queue() -> None:
    outbox = Outbox()
    for number in range(EVENTS_MAX * 3):
        outbox.put({"event": "chat", "text": number})
    assert len(outbox) == EVENTS_MAX
    assert outbox.lost_some
    assert drain(outbox)[-1] == {"event": "chat", "text": EVENTS_MAX * 3 - 1}


def test_take_waits() -> None:
    async def run() -> object:
        outbox = Outbox()
        waiting = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.put({"event": "left"})
        return await waiting

    assert asyncio.run(run()) == {"event": "left"}
