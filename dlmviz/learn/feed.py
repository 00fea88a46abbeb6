"""Fresh rows for a trainer: worker processes that never stop making them, or a fixed pool."""

from __future__ import annotations

import multiprocessing
import os
import queue
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dlmviz.learn.corpus import FIRST_SEED, Packed, Rows, Source, check_skipped

SHARD = 1024  # samples a worker makes at a time
SHARDS_A_WORKER = 1_000_000  # seeds set aside for each worker


@dataclass(frozen=True)
class Counts:
    """What was made and what was used."""

    made: int  # samples
    skipped: int  # fitted no bucket
    used: int  # rows handed out
    again: int  # of them, handed out before

    @property
    def unique(self) -> int:
        return self.used - self.again

    @property
    def epochs(self) -> float:
        """Times each row was used, on average."""
        return self.used / max(1, self.unique)


class Feed(Protocol):
    """Where a trainer's rows come from."""

    def take(self, step: int) -> Rows: ...
    def counts(self) -> Counts: ...
    def close(self) -> None: ...


def rows_of(tokens: int, length: int) -> int:
    """Rows of a batch of about `tokens` tokens."""
    return max(1, tokens // length)


class FixedFeed:
    """N samples for ever; a batch is a function of (seed, rank, step), so runs can be repeated."""

    def __init__(self, source: Source, count: int, tokens: int, seed: int, rank: int = 0) -> None:
        packed = source.make(count, FIRST_SEED + seed)
        check_skipped(packed.skipped, count)
        self.rows = {length: rows for length, rows in packed.rows.items() if len(rows)}
        self.made, self.skipped = len(packed), packed.skipped
        self.tokens, self.key, self.used = tokens, (seed, rank), 0

    def take(self, step: int) -> Rows:
        """A batch of one bucket; buckets by their share of all tokens, rows with replacement."""
        rng = np.random.default_rng([*self.key, step])
        sizes = np.array([rows.tokens.size for rows in self.rows.values()], dtype=float)
        length = int(rng.choice(list(self.rows), p=sizes / sizes.sum()))
        rows = self.rows[length]
        count = rows_of(self.tokens, length)
        self.used += count
        return rows.take(rng.integers(len(rows), size=count))

    def counts(self) -> Counts:
        return Counts(self.made, self.skipped, self.used, max(0, self.used - self.made))

    def close(self) -> None:
        """Nothing to stop."""


class Ring:
    """The latest rows of one bucket: read once in order, then again at random if need be."""

    def __init__(self, length: int, capacity: int) -> None:
        self.tokens = np.empty((capacity, length), dtype=np.uint16)
        self.start = np.empty(capacity, dtype=np.uint16)
        self.written = self.read = 0

    @property
    def fresh(self) -> int:
        return self.written - self.read

    def room_for(self, count: int) -> bool:
        return self.fresh + count <= len(self.start)

    def put(self, rows: Rows) -> None:
        """Overwrites the oldest rows; the caller has seen to it that they were read."""
        assert self.room_for(len(rows)), "unread rows would be lost"
        where = np.arange(self.written, self.written + len(rows)) % len(self.start)
        self.tokens[where], self.start[where] = rows.tokens, rows.start
        self.written += len(rows)

    def take(self, count: int, rng: np.random.Generator) -> tuple[Rows, int]:
        """`count` rows, and how many of them had been taken before."""
        new = min(count, self.fresh)
        kept = min(self.written, len(self.start))
        where = np.arange(self.read, self.read + new)
        where = np.append(where, rng.integers(self.written - kept, self.written, count - new))
        self.read += new
        where %= len(self.start)
        return Rows(self.tokens[where], self.start[where]), count - new


def work(make: Callable[[int, int], Packed], first: int, parent: int, out: Any) -> None:
    """Never returns while its parent lives: shards go to `out`, or the text of an error."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread each; the processes are many
    try:
        for shard in range(SHARDS_A_WORKER):
            made = make(SHARD, first + shard)
            while True:
                try:
                    out.put(made, timeout=5)
                    break
                except queue.Full:
                    if os.getppid() != parent:
                        out.cancel_join_thread()
                        return
    except BaseException:
        out.put(traceback.format_exc())
        raise


class WorkerFeed:
    """Rows from worker processes, each with seeds of its own; the death of one is an error.

    Start it before CUDA and before other threads: workers are forked, because tasks hold plain
    functions that no pickle carries. `run` counts resumptions, so that a resumed run sees new
    samples.
    """

    def __init__(
        self,
        source: Source,
        workers: int,
        tokens: int,
        seed: int,
        rank: int = 0,
        run: int = 0,
        capacity: int = 1 << 17,
    ) -> None:
        context = multiprocessing.get_context("fork")
        self.shards: Any = context.Queue(maxsize=4 * workers)
        first = FIRST_SEED + ((seed * 16 + run) * 64 + rank) * 256 * SHARDS_A_WORKER
        self.processes = [
            context.Process(
                target=work,
                args=(source.make, first + w * SHARDS_A_WORKER, os.getpid(), self.shards),
                daemon=True,
            )
            for w in range(workers)
        ]
        for process in self.processes:
            process.start()
        self.rings = {length: Ring(length, capacity) for length in source.buckets.lengths}
        self.tokens, self.rng = tokens, np.random.default_rng([seed, rank, run])
        self.made = self.skipped = self.used = self.again = 0

    def fill(self, samples: int, timeout: float = 180.0) -> None:
        """Nothing; returns when `samples` more have arrived or half a ring is full."""
        end, goal = time.monotonic() + timeout, self.made + samples
        while self.made < goal and all(r.room_for(len(r.start) // 2) for r in self.rings.values()):
            if not self._receive(wait=1.0) and time.monotonic() > end:
                raise RuntimeError(f"the workers made {self.made} samples in {timeout:.0f} s")

    def take(self, step: int) -> Rows:
        """A batch of one bucket, chosen by its share of the unread tokens."""
        if step % 100 == 0:
            self._check()
        while all(ring.room_for(SHARD) for ring in self.rings.values()) and self._receive():
            pass
        need = {length: rows_of(self.tokens, length) for length in self.rings}
        ready = {n: r.fresh * n for n, r in self.rings.items() if r.fresh >= need[n]}
        ready = ready or {n: r.written * n for n, r in self.rings.items() if r.written}
        chances = np.array(list(ready.values()), dtype=float)
        length = int(self.rng.choice(list(ready), p=chances / chances.sum()))
        rows, again = self.rings[length].take(need[length], self.rng)
        self.used, self.again = self.used + len(rows), self.again + again
        return rows

    def _check(self) -> None:
        dead = [p.exitcode for p in self.processes if p.exitcode is not None]
        if dead:
            raise RuntimeError(f"{len(dead)} workers died, exit codes {dead}")

    def _receive(self, wait: float = 0.0) -> bool:
        """Whether a shard came; raises RuntimeError if a worker failed or died."""
        try:
            shard = self.shards.get(timeout=wait) if wait else self.shards.get_nowait()
        except queue.Empty:
            self._check()
            return False
        if isinstance(shard, str):
            raise RuntimeError(f"a worker failed:\n{shard}")
        self.made, self.skipped = self.made + len(shard), self.skipped + shard.skipped
        if self.made >= 4 * SHARD:
            check_skipped(self.skipped, self.made + self.skipped)
        put(self.rings, shard.rows)
        return True

    def counts(self) -> Counts:
        return Counts(self.made, self.skipped, self.used, self.again)

    def close(self) -> None:
        """Stops the workers."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(5)
        self.shards.cancel_join_thread()
        self.shards.close()


def put(rings: Mapping[int, Ring], rows: Mapping[int, Rows]) -> None:
    """Each bucket's rows into its ring."""
    for length, some in rows.items():
        rings[length].put(some)
