"""The paper's assumptions, propositions and lemmas as measurements that can fail.

One module a statement: its formula as pure functions, and a `check` that measures it on a world, on a
backend or on run logs and returns a `Result`.

Which statements survive a term of `readsim.worlds.terms`. The first column is a world with concave gains,
no effects across, and a saturating link. "rates": in tokens times their learning rate, and not in tokens: a
warm-up makes returns rise, more tokens of one source push those of others to lower rates, and what comes
first counts more. For each column `tests/theory/test_terms.py` holds a world in which what is said to fail
does.

                         none   drift from  repetition  limit of      rehearsal  formats  learning
                                the start               interference  of harm             rate
    4.3 superposition    holds  holds       holds       holds         fails      holds    holds
    4.4 concave          holds  fails       fails       fails         as harm    as gain  rates
    4.4 nondecreasing    holds  fails       fails       as harm       as harm    fails    rates
    4.4 order-free       holds  holds       holds       holds         fails      fails    rates
    4.5 marginal gains   holds  holds       holds       necessary     -          -        rates
    static dominance     holds  holds       holds       holds         fails      fails    holds
    one-hot bound        holds  holds       fails       holds         holds      fails    holds
    order gap, order 2   none   none        none        none          none       if slow  rates

Rehearsal: blocks of one source each are free in their order, mixtures beside them are not. "necessary": the
conditions are, and do not suffice. "if slow": in intervals that are short beside the format's tokens. Static
dominance counts tokens left unspent where training costs; the one-hot bound is of runs that spend as much.
Step regret and calibrated uncertainty are about beliefs within one decision: no term touches them.
"""

from readsim.theory.result import Effect, PaperStatement, Result, Verdict, needs
from readsim.theory.statement import Statement, Subject, check_own_controls, check_statement

__all__ = [
    "Effect",
    "PaperStatement",
    "Result",
    "Statement",
    "Subject",
    "Verdict",
    "check_own_controls",
    "check_statement",
    "needs",
]
