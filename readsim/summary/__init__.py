"""From run logs to tables: one row per run, then one row per budget and allocator with intervals."""

from readsim.summary.results import results
from readsim.summary.show import print_table, to_markdown
from readsim.summary.table import summarise

__all__ = ["print_table", "results", "summarise", "to_markdown"]
