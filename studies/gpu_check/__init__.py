"""Does the adapter run on one GPU? Under ten minutes; nobody here had one.

Losses and gradients of every objective beside float64 on the CPU, replies and training beside the CPU's,
a small distillation, tokens a second beside a bare loop, peak memory beside the plan's formula. Its
functions take a device; the tests run them on the CPU.
"""
