import asyncio
import sys
import time

import numpy as np
import pytest

from packlight.serve.batcher import LONG_SECONDS, Batcher
from packlight.serve.http_errors import HTTPError
from packlight.serve.micro_batches import CALL_TOKENS
from packlight.serve.settings import Limits


class Fake:
    """Logits that say which row they belong to; remembers every batch."""

    labels = ("a", "b")
    pads = True

    def __init__(self, *, batch_invariant=True, seconds=0.0, fails=()):
        self.batch_invariant = batch_invariant
        self.batches = []
        self._seconds = seconds
        self._fails = fails

    def logits(self, rows):
        time.sleep(self._seconds)
        self.batches.append([len(row) for row in rows])
        if any(len(row) in self._fails for row in rows):
            raise RuntimeError("no")
        return np.array([[row[0], len(row)] for row in rows], dtype=np.float32)


class Clock:
    """Time that passes in inference only, so that no other work on the machine can pass a deadline."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def run(self, scenario):
        with asyncio.Runner() as runner:
            runner.get_loop().time = self.perf_counter
            runner.run(scenario)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in ("packlight.serve.batcher", __name__):
        monkeypatch.setattr(sys.modules[module], "time", clock)
    return clock


def rows(*lengths):
    return [[number] * length for number, length in enumerate(lengths)]


def submit(batcher, lengths, timeout=9.0, arrived=None):
    return batcher.submit(rows(*lengths), arrived or time.perf_counter(), timeout)


def test_answers_come_back_in_order_whatever_the_batches():
    async def scenario():
        model = Fake()
        batcher = Batcher(model, Limits(batch_tokens=16))
        generator = np.random.default_rng(1)
        asked = [generator.integers(1, 20, size=generator.integers(1, 9)).tolist() for _ in range(40)]
        answers = await asyncio.gather(*(submit(batcher, lengths) for lengths in asked))
        for lengths, logits in zip(asked, answers, strict=True):
            assert logits[:, 0].tolist() == list(range(len(lengths)))
            assert logits[:, 1].tolist() == lengths
        assert batcher.queued == 0
        assert sum(map(len, model.batches)) == sum(map(len, asked))
        return model.batches

    for lengths in asyncio.run(scenario()):
        assert len(lengths) == 1 or max(lengths) * len(lengths) <= 16
        assert lengths == sorted(lengths)
        steps = zip(range(1, len(lengths)), lengths, lengths[1:], strict=False)
        assert all(count * (longer - shorter) <= CALL_TOKENS for count, shorter, longer in steps)


def test_an_idle_queue_does_not_wait():
    async def scenario():
        batcher = Batcher(Fake(), Limits())
        for _ in range(3):
            answer = submit(batcher, [3])
            await asyncio.sleep(0)
            assert answer.done(), "inferred at the loop's next turn"

    asyncio.run(scenario())


def test_what_is_there_at_once_shares_a_batch():
    async def scenario():
        model = Fake()
        batcher = Batcher(model, Limits(batch_tokens=64))
        await asyncio.gather(*(submit(batcher, [4]) for _ in range(10)))
        return model.batches

    assert [len(batch) for batch in asyncio.run(scenario())] == [10]


def test_short_texts_are_not_padded_to_long_ones():
    async def scenario():
        model = Fake()
        batcher = Batcher(model, Limits(batch_tokens=64))
        await submit(batcher, [20, 4, 4, 20, 5])
        return model.batches

    assert asyncio.run(scenario()) == [[4, 4, 5], [20, 20]]


@pytest.mark.parametrize(
    ("lengths", "calls"),
    [
        ([8, 8 + CALL_TOKENS], 1),
        ([8, 9 + CALL_TOKENS], 2),
        ([8, 8, 8 + CALL_TOKENS], 2),
        ([8, 8, 8 + CALL_TOKENS // 2], 1),
    ],
)
def test_a_text_is_padded_where_that_costs_less_than_a_call(lengths, calls):
    async def scenario():
        model = Fake()
        await submit(Batcher(model, Limits(batch_tokens=64)), lengths)
        return model.batches

    assert len(asyncio.run(scenario())) == calls


def test_texts_that_are_not_padded_share_a_batch_whatever_their_lengths():
    async def scenario():
        model = Fake()
        model.pads = False
        await submit(Batcher(model, Limits(batch_tokens=64)), [20, 4, 4, 20, 5])
        return model.batches

    assert asyncio.run(scenario()) == [[4, 4, 5], [20, 20]]


def test_without_batch_invariance_each_text_is_alone():
    async def scenario():
        model = Fake(batch_invariant=False)
        batcher = Batcher(model, Limits())
        await asyncio.gather(*(submit(batcher, [4, 4]) for _ in range(5)))
        return model.batches

    assert [len(batch) for batch in asyncio.run(scenario())] == [1] * 10


def test_a_full_queue_refuses_single_texts_and_batches_alike():
    async def scenario():
        batcher = Batcher(Fake(), Limits(queue_texts=3))
        taken = [submit(batcher, [1, 1]), submit(batcher, [1] * 50)]
        for lengths in ([1], [1] * 50):
            with pytest.raises(HTTPError) as caught:
                submit(batcher, lengths)
            assert caught.value.status == 429
            assert dict(caught.value.headers)[b"retry-after"]
        await asyncio.gather(*taken)
        await submit(batcher, [1])

    asyncio.run(scenario())


def test_what_is_late_is_refused_without_inference():
    async def scenario():
        model = Fake(seconds=0.05, batch_invariant=False)
        batcher = Batcher(model, Limits())
        first = submit(batcher, [1, 1, 1])
        late = submit(batcher, [2], timeout=0.02)
        assert (await first).shape == (3, 2)
        with pytest.raises(HTTPError) as caught:
            await late
        assert caught.value.status == 504
        assert model.batches == [[1]] * 3
        await submit(batcher, [3])
        assert model.batches == [*[[1]] * 3, [3]]
        assert batcher.queued == 0

    asyncio.run(scenario())


def status_of(answer):
    with pytest.raises(HTTPError) as caught:
        answer.result()
    return caught.value.status


def test_a_request_that_has_begun_is_answered_at_its_deadline_too(clock):
    async def scenario():
        model = Fake(seconds=0.02)
        batcher = Batcher(model, Limits(batch_tokens=8))
        long = submit(batcher, [8] * 50, timeout=0.1)
        await asyncio.wait([long])
        assert status_of(long) == 504
        assert 1 < len(model.batches) < 50, "begun, and not finished"
        assert clock.now < 0.15, "50 slices take a second"
        assert batcher.queued == 0, "what is left of it waits no more"
        ran = len(model.batches)
        await submit(batcher, [1])
        assert len(model.batches) == ran + 1

    clock.run(scenario())


def test_a_deadline_is_kept_while_others_run(clock):
    async def scenario():
        batcher = Batcher(Fake(seconds=0.01), Limits(batch_tokens=8))
        long = submit(batcher, [8] * 40)
        short = [submit(batcher, [8], timeout=0.015) for _ in range(10)]
        await asyncio.wait(short)
        assert {status_of(each) for each in short if each.exception()} == {504}
        assert not long.done(), "the late are told before everything before them has run"
        assert (await long).shape == (40, 2)

    clock.run(scenario())


def test_earlier_and_later_deadlines_are_all_kept(clock):
    async def scenario():
        batcher = Batcher(Fake(seconds=0.005), Limits(batch_tokens=1, queue_texts=10_000))
        timeouts = [0.2, 0.05, 0.1, 0.05, 9.0]
        ended = {}
        jobs = [submit(batcher, [1] * 60, timeout=timeout) for timeout in timeouts]
        for number, job in enumerate(jobs):
            job.add_done_callback(lambda _, number=number: ended.setdefault(number, clock.now))
        await asyncio.wait(jobs)
        for number, timeout in enumerate(timeouts[:4]):
            assert status_of(jobs[number]) == 504
            assert timeout <= ended[number] < timeout + 0.02
        assert max(ended, key=ended.get) == 4
        assert jobs[4].result().shape == (60, 2)
        assert batcher.queued == 0

    clock.run(scenario())


def test_a_single_text_waits_for_one_slice_of_a_large_request():
    async def scenario():
        model = Fake()
        batcher = Batcher(model, Limits(batch_tokens=16))
        large = [submit(batcher, [16] * 100) for _ in range(3)]
        await asyncio.sleep(0)
        for _ in range(20):
            before = len(model.batches)
            await submit(batcher, [5])
            assert len(model.batches) - before <= 4, "its own, and one slice of each of the others"
        assert not any(each.done() for each in large)
        assert [each.shape for each in await asyncio.gather(*large)] == [(100, 2)] * 3

    asyncio.run(scenario())


def test_a_large_request_goes_on_while_single_texts_keep_coming():
    async def scenario():
        model = Fake()
        batcher = Batcher(model, Limits(batch_tokens=16))
        large = submit(batcher, [16] * 30)
        turns = 0
        while not large.done():
            await submit(batcher, [16])
            turns += 1
        assert turns <= 31, "a slice of it follows each of the others"
        assert (await large).shape == (30, 2)

    asyncio.run(scenario())


def test_what_is_left_of_several_requests_shares_a_batch():
    async def scenario():
        model = Fake()
        batcher = Batcher(model, Limits(batch_tokens=64))
        await asyncio.gather(*(submit(batcher, [8] * 10) for _ in range(4)))
        return model.batches

    assert [len(batch) for batch in asyncio.run(scenario())] == [8, 8, 8, 8, 8]


def test_a_request_that_was_given_up_is_not_inferred():
    async def scenario():
        model = Fake()
        batcher = Batcher(model, Limits())
        gone = submit(batcher, [1])
        gone.cancel()
        await submit(batcher, [1])
        assert model.batches == [[1]]
        assert batcher.queued == 0

    asyncio.run(scenario())


def test_a_fault_of_the_runtime_is_its_requests_alone():
    async def scenario():
        batcher = Batcher(Fake(fails=(5,), batch_invariant=False), Limits())
        bad, good = submit(batcher, [5, 5]), submit(batcher, [1])
        with pytest.raises(RuntimeError):
            await bad
        assert (await good).shape == (1, 2)
        assert batcher.queued == 0
        assert (await submit(batcher, [1])).shape == (1, 2)

    asyncio.run(scenario())


def test_the_loop_is_free_between_micro_batches(monkeypatch):
    monkeypatch.setattr("packlight.serve.batcher.LONG_SECONDS", 60)

    async def scenario():
        model = Fake()
        long = submit(Batcher(model, Limits(batch_tokens=4)), [4] * 10)
        done = [0]
        while not long.done():
            await asyncio.sleep(0)
            done.append(len(model.batches))
        assert done == list(range(11)), "one micro-batch a turn"

    asyncio.run(scenario())


def test_after_a_long_micro_batch_a_new_request_gets_to_the_queue_before_the_next():
    async def scenario():
        model = Fake(seconds=2 * LONG_SECONDS)
        batcher = Batcher(model, Limits(batch_tokens=4))
        long = submit(batcher, [4] * 10)
        await asyncio.sleep(0)
        assert len(model.batches) == 1
        for _ in range(3):  # accept, read, begin the request's task
            await asyncio.sleep(0)
        assert len(model.batches) == 1
        await submit(batcher, [2])
        assert model.batches == [[4], [2]]
        await long

    asyncio.run(scenario())


def test_listeners_hear_of_waits_and_batches():
    heard = []

    async def scenario():
        batcher = Batcher(
            Fake(), Limits(), on_batch=lambda texts, seconds: heard.append((texts, seconds)), on_start=heard.append
        )
        await submit(batcher, [2, 2])

    asyncio.run(scenario())
    wait, (texts, seconds) = heard
    assert texts == 2
    assert wait >= 0
    assert seconds >= 0


class TooFew(Fake):
    """Gives one row less than it is asked for, where it is asked for several."""

    def logits(self, rows):
        return super().logits(rows)[: max(1, len(rows) - 1)]


def test_a_fault_after_the_runtime_is_its_batchs_alone_too():
    async def scenario():
        batcher = Batcher(TooFew(), Limits())
        bad = submit(batcher, [3, 3])
        with pytest.raises(ValueError, match="shorter"):
            await asyncio.wait_for(bad, 5)
        assert (await asyncio.wait_for(submit(batcher, [1]), 5)).shape == (1, 2)
        assert batcher.queued == 0

    asyncio.run(scenario())


def test_a_fault_of_a_listener_does_not_end_the_queue():
    def fail(_):
        raise OSError("no")

    async def scenario():
        batcher = Batcher(Fake(), Limits(), on_start=fail)
        for _ in range(2):
            with pytest.raises(OSError, match="no"):
                await asyncio.wait_for(submit(batcher, [1]), 5)

    asyncio.run(scenario())
