"""Several processes that train one student: who is there, what the first one says, who is gone.

Process 0 drives: it alone reads prompts, asks the teacher, measures and writes. The others hear what to
do, do their share, and stay silent. `accelerate launch` or torchrun starts them; accelerate chooses
device and communication (NCCL on CUDA, gloo on CPU). What is said goes over gloo, as bytes.
"""

import json
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from readsim.errors import ConfigError, ReadsimError, TrainingError
from readsim_hf.training.ending import GRACE, Watchman

IDLE = timedelta(days=7)  # how long a process waits to be told something: teachers may be slow
NOTE = 60.0  # seconds at most that one which lost the others waits for process 0's word on it
_OF_LAUNCHER = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
SENT = "the launcher sent SIGTERM"
RESUME = "the same command with --resume continues"


def world_size() -> int:
    """Processes that the launcher started for this run.

    What a scheduler or an earlier job left (WORLD_SIZE without RANK, or one of the others alone) is not
    obeyed: a warning, and the run is of one process.

    Raises ConfigError where it meant several and started one alone, and for what is no number.
    """
    given = {name: os.environ[name] for name in _OF_LAUNCHER if os.environ.get(name)}
    if "WORLD_SIZE" in given and "RANK" in given:
        return _launched(given)
    for name in _OF_LAUNCHER:  # or accelerate would wait for the others
        os.environ.pop(name, None)
    if given and given != {"WORLD_SIZE": "1"}:
        shown = ", ".join(f"{name} = {value!r}" for name, value in given.items())
        lacking = "RANK" if "WORLD_SIZE" in given else "WORLD_SIZE"
        warnings.warn(
            f"{shown} in the environment, without {lacking}: no launcher (torchrun, accelerate launch) "
            "started this process; it runs alone",
            stacklevel=2,
        )
    if (place := os.environ.get("SLURM_PROCID", "")).isdecimal() and int(place) > 0:
        raise ConfigError(
            f"SLURM_PROCID = {place!r} without RANK and WORLD_SIZE: srun started the same run several times; "
            "accepted: one task (--ntasks=1), or torchrun or `accelerate launch` inside one task a machine"
        )
    alone = "MASTER_PORT" in os.environ
    if alone and os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true":
        raise ConfigError(
            "`accelerate launch --cpu` starts one process, whatever its --num_processes; accepted "
            "for several on CPUs: `accelerate launch --multi_gpu` (no GPU is needed) or torchrun"
        )
    return 1


def _launched(given: Mapping[str, str]) -> int:
    numbers = {}
    for name, value in given.items():
        if not value.isdecimal():
            raise ConfigError(
                f"{name} = {value!r} in the environment: a launcher sets a whole number"
            )
        numbers[name] = int(value)
    world, rank = numbers["WORLD_SIZE"], numbers["RANK"]
    if rank >= world:
        raise ConfigError(
            f"RANK = {rank} and WORLD_SIZE = {world} in the environment: 0 to {world - 1}"
        )
    return world


def check_meeting(world: int, rank: int) -> None:
    """ConfigError where the launcher's word on where the processes meet is missing."""
    port = os.environ.get("MASTER_PORT", "")
    if not (port.isdecimal() and os.environ.get("MASTER_ADDR")):
        raise ConfigError(
            f"WORLD_SIZE = {world}, RANK = {rank}, MASTER_ADDR = {os.environ.get('MASTER_ADDR')!r}, "
            f"MASTER_PORT = {port!r}: where the processes meet is missing; start them with torchrun or "
            "`accelerate launch`, or unset WORLD_SIZE"
        )


@contextmanager
def said_once() -> Iterator[None]:
    """Errors of settings, which all processes find: one on each machine says them."""
    try:
        yield
    except ReadsimError:
        several = os.environ.get("WORLD_SIZE", "1") != "1" and "RANK" in os.environ
        if several and os.environ.get("LOCAL_RANK", "0") != "0":
            raise SystemExit(2) from None
        raise


class ProcessGroup:
    """This process among `world` others of a run; a context that says how it ended.

    device    its own, as accelerate chose it
    """

    def __init__(self, device: str, timeout: timedelta, threads: int = 1) -> None:
        """Meet the others. `timeout` is how long one waits for another to do its share.

        Raises ConfigError for a device that not every process has, TrainingError where others do
        not come.
        """
        self.rank, self.world = int(os.environ["RANK"]), world_size()
        self._timeout, self._over = timeout, False
        self._watchman: Watchman | None = None
        on_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
        self._check_device(device, on_cpu)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        # Every process loads its own start; transformers would give all but one empty weights.
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
        # Else a thread of NCCL's ends the process where another one is gone, before this one can say so.
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
        self._meet(on_cpu)

    @property
    def gpus(self) -> int:
        """GPUs of this machine, from the first, on which its processes train."""
        on_gpu = self.device.type == "cuda"
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if on_gpu else 0

    def _check_device(self, device: str, on_cpu: bool) -> None:
        here, found = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
        if not on_cpu and device not in ("cuda", "auto"):
            raise ConfigError(
                f"pair.device = {device!r}: several processes take a GPU each; accepted: 'cuda', "
                "'cpu', 'auto'"
            )
        if not on_cpu and here > found:
            raise ConfigError(
                f"pair.device = {device!r}: {here} processes were started on a machine with {found} "
                "CUDA device(s), each needs one; start fewer, or use device 'cpu'"
            )

    def _meet(self, on_cpu: bool) -> None:
        from accelerate import PartialState
        from torch.distributed.rendezvous import rendezvous

        check_meeting(self.world, self.rank)
        try:
            store, _, _ = next(rendezvous("env://", self.rank, self.world, timeout=self._timeout))
            who = {"store": store, "rank": self.rank, "world_size": self.world}
            state = PartialState(cpu=on_cpu, timeout=self._timeout, **who)
            self._idle = dist.new_group(backend="gloo", timeout=IDLE)
            self._data = dist.new_group(backend="gloo", timeout=self._timeout)
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                f"process {self.rank} of {self.world} did not meet the others: {_first_line(error)}"
            ) from error
        self._store: Any = store
        self.device: torch.device = state.device

    # ---------------------------------------------------------------- said and heard

    def send(self, rank: int, data: bytes) -> None:
        """Bytes to one process, which receives them."""
        with self.together():
            for part in (np.array([len(data)]), np.frombuffer(data, dtype=np.uint8).copy()):
                if part.size:
                    dist.send(torch.from_numpy(part), rank, group=self._data)

    def receive(self, rank: int) -> bytes:
        """What that process sends to this one."""
        with self.together():
            size = torch.zeros(1, dtype=torch.int64)
            dist.recv(size, rank, group=self._data)
            data = torch.zeros(int(size), dtype=torch.uint8)
            if data.numel():
                dist.recv(data, rank, group=self._data)
        return data.numpy().tobytes()

    def tell(self, order: Mapping[str, Any]) -> None:
        """Process 0: plain data to all others, which are waiting in `hear`."""
        data = json.dumps(order).encode()
        for rank in range(1, self.world):
            with self.together():
                dist.send(torch.ones(1, dtype=torch.uint8), rank, group=self._idle)
            self.send(rank, data)

    def hear(self) -> dict[str, Any]:
        """The others: what process 0 tells next, however long it takes."""
        with self.together():
            dist.recv(torch.zeros(1, dtype=torch.uint8), 0, group=self._idle)
        order: dict[str, Any] = json.loads(self.receive(0))
        return order

    def broadcast(self, tensor: Tensor) -> Tensor:
        """Process 0's tensor in place of this one."""
        with self.together():
            dist.broadcast(tensor, 0)
        return tensor

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        with self.together():
            dist.all_reduce(tensor)
        return tensor

    def agree(self, settings: Mapping[str, Any]) -> None:
        """ConfigError, naming the first field, where processes were started with other settings."""
        mine, verdict = _flat(settings), ""
        if self.rank:
            self.send(0, json.dumps(mine).encode())
            verdict = self.receive(0).decode()
        else:
            theirs = {r: json.loads(self.receive(r)) for r in range(1, self.world)}
            for rank, table in theirs.items():
                for key in sorted({*mine, *table}):
                    if not verdict and mine.get(key) != table.get(key):
                        verdict = (
                            f"{key} is {mine.get(key)} for process 0 and {table.get(key)} for process "
                            f"{rank}: all processes of a run take the same settings"
                        )
            for rank in theirs:
                self.send(rank, verdict.encode())
        if verdict:
            raise ConfigError(verdict)

    # ---------------------------------------------------------------- how it ends

    @contextmanager
    def together(self) -> Iterator[None]:
        """TrainingError, with the reason if one was left, where another process is gone."""
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, ReadsimError) or not _is_of_connection(error):
                raise
            self._over = True
            raise self._lost(self._short(error)) from error

    def _short(self, error: RuntimeError) -> str:
        text = re.sub(r"^\[\S+\] ", "", _first_line(error)).partition(". ")[0]
        if "timed out" in text.lower():
            return f"no answer within timeout = {self._timeout.total_seconds() / 60:g} minutes"
        return text

    def _lost(self, why: str) -> TrainingError:
        for rank in range(self.world):
            if rank != self.rank and (note := self._note(rank)):
                return TrainingError(f"process {rank} of this run stopped: {note}; {RESUME}")
        return TrainingError(
            f"another of the {self.world} processes of this run is gone ({why}); {RESUME}"
        )

    def _note(self, rank: int) -> str:
        """What a process left on its way out; "" where none is known."""
        key = f"readsim/left/{rank}"
        try:
            return self._store.get(key).decode() if self._store and self._store.check([key]) else ""
        except RuntimeError:  # whoever kept the notes is gone too
            self._store = None
            return ""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._watchman = Watchman(self._last_words)
            signal.signal(signal.SIGTERM, self._told_to_end)
            # ctrl-C reaches all of them, and the launcher sends it once more: process 0 answers once.
            signal.signal(signal.SIGINT, signal.SIG_IGN if self.rank else self._interrupted)
        return self

    def _interrupted(self, *_: object) -> None:
        if not self._over:
            self._over = True
            raise KeyboardInterrupt

    def _told_to_end(self, *_: object) -> None:
        """Launchers end the others with SIGTERM when one is gone."""
        if self._watchman is not None:
            self._watchman.heard()
        if not self._over:
            self._over = True
            raise self._lost(SENT)

    def _last_words(self) -> str:
        """Where the main thread does not come back from a wait: of process 0, or where that is silent."""
        words = str(self._lost(SENT))
        if self.rank == 0:
            self._leave(words)
            return words
        return "" if self._has_spoken(GRACE) else words

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Process 0 releases the others, or leaves word of what stopped it; they leave it to speak.

        What a process says itself is what nobody else can: that process 0 is gone.
        """
        lost, self._over = self._over, True
        if self._watchman is not None:
            self._watchman.stop()
        if error is None:
            if self.rank == 0:
                self.tell({"do": "stop"})
            dist.destroy_process_group()
            return False
        if not (self.rank and lost):
            self._leave(str(error) or type(error).__name__)
        if self.rank and isinstance(error, ReadsimError):
            if not lost:
                raise SystemExit(2) from None
            return self._has_spoken()
        return False

    def _leave(self, note: str) -> None:
        with suppress(RuntimeError):  # nobody is left to read it
            if self._store:
                self._store.set(f"readsim/left/{self.rank}", note)

    def _has_spoken(self, seconds: float = NOTE) -> bool:
        """Whether process 0 ends by itself and says why."""
        end = time.monotonic() + seconds
        while not (note := self._note(0)) and self._store and time.monotonic() < end:
            time.sleep(0.1)
        return bool(note)


def _is_of_connection(error: RuntimeError) -> bool:
    text = str(error)
    return isinstance(error, dist.DistError) or any(
        part in text for part in ("gloo", "NCCL", "Connection", "Broken pipe")
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _flat(table: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """`{"training.batch": "8"}` of nested tables."""
    out: dict[str, str] = {}
    for key, value in table.items():
        name = f"{place}{key}"
        if isinstance(value, Mapping):
            out |= _flat(value, f"{name}.")
        else:
            out[name] = json.dumps(value, default=str)
    return out
