"""Statistics of comparisons: paired differences, many tests at once, many worlds, how many seeds."""

from readsim.stats.aggregate import (
    interquartile_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    stratified_bootstrap,
)
from readsim.stats.intervals import bca_interval, half_width, t_interval
from readsim.stats.paired import Paired, paired, pairing_gain
from readsim.stats.samplesize import detectable_difference, power, seeds_needed
from readsim.stats.significance import benjamini_hochberg, holm, least_p, sign_flip_test, t_test

__all__ = [
    "Paired",
    "bca_interval",
    "benjamini_hochberg",
    "detectable_difference",
    "half_width",
    "holm",
    "interquartile_mean",
    "least_p",
    "optimality_gap",
    "paired",
    "pairing_gain",
    "performance_profile",
    "power",
    "probability_of_improvement",
    "seeds_needed",
    "sign_flip_test",
    "stratified_bootstrap",
    "t_interval",
    "t_test",
]
