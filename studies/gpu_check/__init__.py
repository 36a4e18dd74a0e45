"""Does the adapter run on one GPU? About ten minutes, in parts that write as they end.

numerics     losses and gradients of every objective beside float64 on the CPU
shape        optimiser steps at a real model's widths and vocabulary, ragged lengths, a teacher resident;
             padded and packed rows beside each example alone; tokens a second beside a bare loop
decode       where draws are made, how many steps replies take; replies beside the CPU's; caches that lie on
             several devices
determinism  steps again after going back: to the last bit, and what that costs
snapshot     copies of a full fine-tune to the host and back
probe        agreement and log-likelihoods: precision, and logits a few at a time
nccl         one process under torchrun, DDP and FSDP
run          a small distillation of nano beside the CPU's
full         `readsim distill` at an 8B student's widths and depth, killed once and resumed, beside its plan

Its functions take a device; without a GPU every part runs at toy size on the CPU.
"""
