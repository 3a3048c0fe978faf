"""Scores of several studies side by side, as papers print them, in text, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nasbase.search.protocol import REPORTED, Reported
from nasbase.search.study import Score, Study


@dataclass(frozen=True)
class ResultsTable:
    """One row per method, one pair of columns (validation, test) per benchmark and data set.

    Attributes
    ----------
    studies
        What stands in it.
    rule
        How scores are read at the budget; None is the rule of each benchmark's paper.
    reported
        Whether to print beside them what the papers report.
    """

    studies: Sequence[Study]
    rule: str | None = None
    reported: bool = True

    def rows(self) -> list[dict[str, Any]]:
        """One plain row per study, for pandas or a file."""
        return [self._row(study) for study in self.studies]

    def text(self) -> str:
        """Columns for a terminal, with what was searched and how below it."""
        head = ["method", *(f"{benchmark} {dataset}" for benchmark, dataset in self._columns())]
        lines = [head, ["", *(["valid | test (reported)"] * (len(head) - 1))]]
        lines += [
            [method, *(self._cell(method, column) for column in self._columns())]
            for method in self._methods()
        ]
        lines.append(["best in the build", *map(self._best, self._columns())])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([*body, "", *self._facts()]) + "\n"

    def csv(self) -> str:
        """One line per study."""
        import csv
        import io

        rows = self.rows()
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()

    def latex(self) -> str:
        """A ``tabular`` for booktabs; versions, protocol and citations are its comments."""
        columns = self._columns()
        heads = " & ".join(
            rf"\multicolumn{{2}}{{c}}{{{_escaped(f'{benchmark} {dataset}')}}}"
            for benchmark, dataset in columns
        )
        lines = [
            *(f"% {line}" for fact in self._facts() for line in fact.splitlines()),
            rf"\begin{{tabular}}{{l{'cc' * len(columns)}}}",
            r"\toprule",
            rf" & {heads} \\",
            rf"Method{' & validation & test' * len(columns)} \\",
            r"\midrule",
        ]
        for method in self._methods():
            cells = (_latex(self._score(method, column)) for column in columns)
            lines.append(rf"{_escaped(method)} & {' & '.join(cells)} \\")
        best = " & ".join(f" & ${self._optimum(column):.2f}$" for column in columns)
        lines += [r"\midrule", rf"Best in the build & {best} \\"]
        if self._synthetic():
            mark = r"\textbf{SYNTHETIC: made-up numbers}"
            lines.append(rf"\multicolumn{{{1 + 2 * len(columns)}}}{{l}}{{{mark}}} \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
        return "\n".join(lines) + "\n"

    __str__ = text

    # -----------------------------------------------------------------------------------------

    def _synthetic(self) -> bool:
        return any(study.bench.synthetic for study in self.studies)

    def _columns(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((study.bench.name, study.dataset) for study in self.studies))

    def _methods(self) -> list[str]:
        return list(dict.fromkeys(study.method for study in self.studies))

    def _study(self, method: str, column: tuple[str, str]) -> Study | None:
        for study in self.studies:
            if (study.method, study.bench.name, study.dataset) == (method, *column):
                return study
        return None

    def _score(self, method: str, column: tuple[str, str]) -> Score | None:
        study = self._study(method, column)
        return None if study is None else study.score(self.rule)

    def _cell(self, method: str, column: tuple[str, str]) -> str:
        score = self._score(method, column)
        if score is None:
            return "-"
        reported = _reported(*column, method) if self.reported else None
        said = f" ({reported.mean:.2f} ± {reported.sd:.2f})" if reported else ""
        return f"{score.valid} | {score.test}{said}"

    def _rule(self, study: Study) -> str:
        return self.rule or study.protocol.rule

    def _optimum(self, column: tuple[str, str]) -> float:
        return next(
            study.best_test_acc_pct
            for study in self.studies
            if (study.bench.name, study.dataset) == column
        )

    def _best(self, column: tuple[str, str]) -> str:
        return f"| {self._optimum(column):.2f}"

    def _row(self, study: Study) -> dict[str, Any]:
        score = study.score(self.rule)
        reported = _reported(study.bench.name, study.dataset, study.method)
        return {
            "method": study.method,
            "benchmark": study.bench.name,
            "version": study.bench.version,
            "synthetic": study.bench.synthetic,
            "dataset": study.dataset,
            "runs": len(study.runs),
            **study.protocol._asdict(),
            "rule": self._rule(study),
            "seed": study.seed,
            "present_only": study.present_only,
            "valid_acc_pct_mean": score.valid.mean,
            "valid_acc_pct_sd": score.valid.sd,
            "test_acc_pct_mean": score.test.mean,
            "test_acc_pct_sd": score.test.sd,
            "best_test_acc_pct": study.best_test_acc_pct,
            "reported_test_acc_pct_mean": reported.mean if reported else None,
            "reported_test_acc_pct_sd": reported.sd if reported else None,
        }

    def _facts(self) -> Iterator[str]:
        """What a reader must know to use the numbers."""
        if self._synthetic():
            yield "SYNTHETIC: made-up numbers of a sample release; they say nothing about methods."
        if any(study.present_only for study in self.studies):
            yield (
                "Partial build: only its architectures were proposed, and the best is the best "
                "of these; the figures are not comparable with published ones."
            )
        yield (
            "Accuracy in percent, mean ± standard deviation (divided by n) over runs, of the "
            "architecture with the best validation accuracy at the budget; means over all seeds "
            "at the full schedule."
        )
        if self.reported and any(map(_reported_for, self.studies)):
            yield "In brackets what the paper reports, quoted at second hand; 500 runs."
        settings = {
            f"{study.bench.name} {study.dataset}: {len(study.runs)} runs of "
            f"{study.protocol.time_budget_s:,.0f} s, seed {study.seed}; searched at "
            f"{study.protocol.num_epochs} epochs, scored at {study.protocol.full_epochs}, rule "
            f"'{self._rule(study)}'": None
            for study in self.studies
        }
        yield from settings
        benches = {study.bench.version: study.bench for study in self.studies}
        for bench in benches.values():
            yield f"Data: {bench.name} {bench.version}."
            yield str(bench.cite())


def _reported(benchmark: str, dataset: str, method: str) -> Reported | None:
    return REPORTED.get(benchmark, {}).get(dataset, {}).get(method)


def _reported_for(study: Study) -> Reported | None:
    return _reported(study.bench.name, study.dataset, study.method)


def _latex(score: Score | None) -> str:
    if score is None:
        return "-- & --"
    return " & ".join(rf"${part.mean:.2f} \pm {part.sd:.2f}$" for part in score)


def _escaped(text: str) -> str:
    for character in "_%&#":
        text = text.replace(character, rf"\{character}")
    return text
