"""Simulated searches: many seeded runs under a time budget, scored as the papers score them."""

from nasbase.query.simulator import BudgetExhausted
from nasbase.search.clock import SearchClock
from nasbase.search.harness import run_searches
from nasbase.search.space import SearchSpace, search_space
from nasbase.search.study import Run, Study
from nasbase.search.table import ResultsTable

__all__ = [
    "BudgetExhausted",
    "ResultsTable",
    "Run",
    "SearchClock",
    "SearchSpace",
    "Study",
    "run_searches",
    "search_space",
]
