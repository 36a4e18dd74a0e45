"""Sixty real runs of a pair: shares, mixtures and schedules at three budgets, half of them kept unseen.

`python -m studies real_runs --pair nano` makes what is missing (resumable, one log a run) and writes
`nano.csv` beside this file: one row a measurement, a probe of 64 items a capability after each of six
decisions, and the test split of 256 at the start and at the end. A run of 10K to 60K tokens takes 15 to 70
seconds of a core that is free. `part` says which half a row is of: `fit` or `held`.

`python -m studies real_runs.held --pair nano` fits to one half, forecasts the other and judges `claims`.
`python -m studies sim_to_real.game --pair nano` decides by the same fit and runs what it decided.

    sources     each alone once; mixtures of 2, 3 and 8 of them, Dirichlet(1); uniform
    schedules   one source and then another, or two mixtures of all; they change after decision 2, 3 or 4
    budgets     10K, 24K, 60K tokens, ten designs each, two seeds
    recipe      the pair's preset: distributions of the teacher, AdamW 5e-4, a cosine over the budget
"""
