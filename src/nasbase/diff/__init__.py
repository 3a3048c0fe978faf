"""What differs between two builds of a benchmark, row by row and number by number."""

from nasbase.diff.compare import diff
from nasbase.diff.result import ColumnDiff, Diff, TableDiff

__all__ = ["ColumnDiff", "Diff", "TableDiff", "diff"]
