"""Members of an archive, as rows of trials: most of them read as the one before them was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from nasbase.benchmarks.nats_common.record import TrialRows, TrialTemplate
from nasbase.benchmarks.nats_common.release import add_records
from nasbase.containers.pickle_alike import Template, opcode
from nasbase.containers.pickles import load
from nasbase.errors import RawDataError

MAX_TEMPLATES = 64
"""Most templates kept (some 40 MB); seeds and lengths of strings make about as many."""

TRIES = 8
"""Templates to make at first; then one per so many members read by another."""


class Members:
    """Adds members to the rows of their trials.

    Parameters
    ----------
    rows
        Receives the trials.
    hps
        Names of the schedules of the benchmark.
    strings
        Architecture strings by index.

    Attributes
    ----------
    alike
        How many were read as an earlier one was.
    """

    def __init__(self, rows: TrialRows, hps: Collection[str], strings: Sequence[str]) -> None:
        self._rows, self._hps, self._strings = rows, hps, strings
        self._templates: dict[int, list[tuple[Template, TrialTemplate]]] = {}
        self._read = self.alike = self._tried = self._made = 0

    def add(self, index: int, pickled: bytes, *, name: str, where: str) -> None:
        """Add one member, unpacked.

        Raises
        ------
        RawDataError
            If it is damaged, has not upstream's structure or is of another architecture.
        """
        self._read += 1
        names = opcode(index), opcode(self._strings[index])
        for template, trials in self._templates.get(len(pickled), ()):
            floats = template.read(pickled, names)
            if floats is not None:
                self._rows.add_alike(trials, floats, index, name)
                self.alike += 1
                return
        record = load(pickled, where=where)
        self._add_record(self._rows, index, record, name)
        if len(names[0]) > 2 and self._worth_trying():  # a byte would be an epoch, too
            self._learn(pickled, names, index, len(record))

    def _add_record(self, rows: TrialRows, index: int, record: Any, name: str) -> None:
        add_records(rows, index, record, hps=self._hps, source_file=name, position=0)

    def _worth_trying(self) -> bool:
        # A template costs as much as a few members: where they are not alike, few are made.
        affordable = TRIES + self.alike // TRIES + self._read // TRIES**2
        return self._tried < affordable and self._made < MAX_TEMPLATES

    def _learn(
        self, pickled: bytes, names: tuple[bytes, bytes], index: int, schedules: int
    ) -> None:
        """Keep how a member is read, if the places of its floats tell it."""
        self._tried += 1
        template = Template.of(pickled, names)
        # Each schedule has its index once. If more opcodes have this number (it may be an epoch,
        # too), it is not known which ones differ in other members.
        if template is None or template.named[0] != schedules:
            return
        probe = self._rows.probe()
        try:
            numbered = load(template.numbered(names), where="a template")
            self._add_record(probe, index, numbered, "")
        except RawDataError:  # a float stands where its value matters
            return
        trials = probe.template(template.places)
        if trials is not None:
            self._templates.setdefault(len(pickled), []).append((template, trials))
            self._made += 1
