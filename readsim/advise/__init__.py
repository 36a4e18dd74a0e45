"""A watcher of somebody else's training job: it reads the job's metrics and writes the next mixture.

    readsim advise --allocator aioli --sources math,code --budget 20M --log metrics.jsonl --shares shares.json

A watched job is one more backend, whose `run_interval` waits for the job's next measurement, so the loop, the
run log and the allocators' states are those of every other run.
"""

from readsim.advise.advice import Advice, Progress, advise

__all__ = ["Advice", "Progress", "advise"]
