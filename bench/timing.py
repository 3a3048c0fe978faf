"""Medians of many calls, contender against contender, in turns."""

from __future__ import annotations

import gc
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

Question = Sequence[Any]
Asker = Callable[[Sequence[Question]], list[float]]
"""Asks questions one by one and gives the seconds that each took."""


def here(call: Callable[..., Any]) -> Asker:
    """Ask in this process: ``call(*question)``."""

    def ask(questions: Sequence[Question]) -> list[float]:
        times = []
        for question in questions:
            start = perf_counter()
            call(*question)
            times.append(perf_counter() - start)
        return times

    return ask


def medians(
    contenders: Mapping[str, Asker], questions: Sequence[Question], block: int = 20
) -> dict[str, float]:
    """Median seconds per question of each contender, all of them asked the same questions.

    They take turns every few questions, so that a machine that becomes slower or faster meanwhile
    does so for all. As in `timeit`, the garbage collector waits.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for start in range(0, len(questions), block):
        for name, ask in contenders.items():
            with _no_garbage_collection():
                times[name] += ask(questions[start : start + block])
    return {name: median(spent) for name, spent in times.items()}


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect(0)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Peer:
    """A contender in a process of its own, which reads questions and prints seconds and answers.

    Its program reads one JSON line ``{"call": ..., "questions": [...]}`` after the other and
    answers each with one line ``{"seconds": [...], "answer": ...}``: the answer to the last one.

    Parameters
    ----------
    command
        What starts it.
    translate
        Its own form of a question.
    """

    def __init__(
        self,
        command: Sequence[str],
        translate: Callable[..., Question] = lambda *question: question,
    ) -> None:
        self._translate = translate
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def answer(self, call: str, question: Question) -> Any:
        """What it answers to one question."""
        return self._talk(call, [question])["answer"]

    def asker(self, call: str) -> Asker:
        """Ask it ``call``; it takes the time itself."""
        return lambda questions: self._talk(call, questions)["seconds"]

    def _talk(self, call: str, questions: Sequence[Question]) -> Mapping[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        translated = [self._translate(*question) for question in questions]
        self._process.stdin.write(json.dumps({"call": call, "questions": translated}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} ended: its message is above")
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        self._process.wait()
