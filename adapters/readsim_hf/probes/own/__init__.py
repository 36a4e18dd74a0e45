"""Evaluations that a user brings: lm-eval tasks, YAML files, files of items with a metric."""
