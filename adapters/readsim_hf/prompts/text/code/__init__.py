"""Code that can be judged without running it (factors: functions, tests)."""

from readsim_hf.prompts.text.code import complete, loops, predict

TEMPLATES = (*predict.TEMPLATES, *complete.TEMPLATES, *loops.TEMPLATES)
