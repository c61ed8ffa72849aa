"""A function over many items in several processes, the results in the items' order."""

import collections
import concurrent.futures
import contextlib
import io
import itertools
import multiprocessing
import os
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import cloudpickle

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, chunk_items: int = 256
) -> Iterator[Result]:
    """`map(function, items)`, computed by `workers` processes a chunk at a time; the results do not depend on them.

    Items are taken only a few chunks ahead of the results. Up to one chunk of items, or with one worker, no process is
    started. The processes are fresh ones ("spawn"), since forking a process in which JAX runs can deadlock. The
    function may be of a script or a config file; it, its items and results travel by pickle between our own processes.
    """
    iterator = iter(items)
    first = list(itertools.islice(iterator, chunk_items + 1))
    items = itertools.chain(first, iterator)
    if workers <= 1 or len(first) <= chunk_items:
        yield from map(function, items)
        return
    under_way: collections.deque[concurrent.futures.Future[list[Result]]] = collections.deque()
    dumped = io.BytesIO()
    _Pickler(dumped).dump(function)
    spawn, given = multiprocessing.get_context("spawn"), (dumped.getvalue(),)
    pool = concurrent.futures.ProcessPoolExecutor(workers, spawn, initializer=_start_worker, initargs=given)
    try:
        while chunk := list(itertools.islice(items, chunk_items)):
            with _hidden_script():
                under_way.append(pool.submit(_map_chunk, chunk))
            if len(under_way) > 2 * workers:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def count_cores() -> int:
    """The processor cores that this process may use, where the system says; else those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Pickler(cloudpickle.CloudPickler):
    """Writes out classes and functions of a user's files, which other processes may not be able to import."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | types.FunctionType) and (module := sys.modules.get(obj.__module__)):
            top = module.__name__.partition(".")[0]
            if not (top in _LIBRARIES or "site-packages" in (getattr(module, "__file__", None) or "site-packages")):
                cloudpickle.register_pickle_by_value(module)
        return super().reducer_override(obj)


_LIBRARIES = {"hwr_jax", *sys.stdlib_module_names}


@contextlib.contextmanager
def _hidden_script() -> Iterator[None]:
    """Processes started meanwhile do not run the user's script again, as spawned ones do without a __main__ guard."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


# What the processes of a pool compute. The function comes once, not with every chunk.
_function: Callable[[Any], Any]


def _map_chunk(chunk: list[Any]) -> list[Any]:
    return [_function(item) for item in chunk]


def _start_worker(function: bytes) -> None:
    """Signals to the parent's group are the parent's to handle; a parent killed outright takes this process with it."""
    global _function
    os.setpgrp()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
    _function = cloudpickle.loads(function)
