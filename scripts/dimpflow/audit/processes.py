"""Work in several processes. They are forked: the hashes of Python itself must be the same in all of them."""

import gc
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar, TypeVarTuple

from dimpflow.errors import OutputError

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")
Ts = TypeVarTuple("Ts")

_KILLED = "a process of the check was killed (out of memory?); run again with fewer cores"


def in_processes(
    processes: int, work: Callable[[T], R], pieces: Iterable[T], start: Callable[[S], None], setup: S
) -> Iterator[R]:
    """`map` in processes of their own, in order, with a few pieces on their way. start: is called in each, with `setup`.

    OutputError: one was killed.
    """
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(processes, context, start, (setup,)) as pool:
            on_their_way: deque[Future[R]] = deque()
            for piece in pieces:
                on_their_way.append(pool.submit(work, piece))
                if len(on_their_way) > 2 * processes:
                    yield on_their_way.popleft().result()
            while on_their_way:
                yield on_their_way.popleft().result()
    except BrokenExecutor:
        raise OutputError(_KILLED) from None


@contextmanager
def beside(work: Callable[[*Ts], R], given: tuple[*Ts], processes: int) -> Iterator[Callable[[], R]]:
    """Work in a process beside this one, if there may be several: what is yielded gives its result. OutputError: it was killed."""
    if processes < 2:
        yield partial(work, *given)
        return
    # to look for cycles among objects takes a seventh to a fifth of the time there (measured), and what is read from JSON has none
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork"), gc.disable) as pool:
        future = pool.submit(work, *given)

        def result() -> R:
            try:
                return future.result()
            except BrokenExecutor:
                raise OutputError(_KILLED) from None

        yield result
