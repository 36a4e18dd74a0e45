"""The laws of mixtures that a fit averages over: one file and one pure function each.

A law is a function of the runs: `law(x, wanted, weight)` returns what predicts other runs.

    x (n, S)        tokens of each run by source, in units of the largest run
    wanted (n, K)   what was measured, on the scale that laws work on; nan: missing
    weight (n, K)   how much each cell counts, at least 0

The predictor takes x (m, S) and gives (m, K).
"""
