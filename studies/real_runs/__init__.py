"""Sixty real runs of a pair: shares, mixtures and schedules at three budgets, half of them kept unseen."""
