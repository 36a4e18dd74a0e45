"""Measuring a student: items, splits, lm-eval, benchmarks, running model-written code."""
