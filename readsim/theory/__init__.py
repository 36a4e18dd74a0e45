"""The paper's assumptions, propositions and lemmas as measurements that can fail.

One module a statement: its formula as pure functions, and a `check` that measures it on a world, on a
backend or on run logs and returns a `Result`.
"""

from readsim.theory.result import Result, Statement, Verdict, needs

__all__ = ["Result", "Statement", "Verdict", "needs"]
