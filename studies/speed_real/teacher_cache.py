"""Asking the teacher for replies that the cache holds, beside asking it to make them."""

from pathlib import Path
from tempfile import TemporaryDirectory

from readsim_hf.components import build_components
from readsim_hf.config import RunConfig, preset_table
from readsim_hf.models.pairs import Pair as Models
from readsim_hf.models.pairs import load_pair
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.cache import SignalCache
from studies.speed_real.timing import Pair, Row, in_turn, seconds


def nano_teacher(models: Models, prompts: int) -> tuple[AnyTeacher, list[Prompt]]:
    """The teacher of the nano preset without a cache, and prompts of all capabilities."""
    parts = build_components(RunConfig.of(preset_table("nano")), models)
    streams = parts.feed(0, lambda: models.student).streams
    share = -(-prompts // len(streams))
    some = [prompt for stream in streams for prompt in stream.take(share, 0.5)]
    return parts.teacher, some[:prompts]


def measure(models: Models, prompts: int, rounds: int) -> Pair:
    """Seconds of a hit and of a pass."""
    teacher, some = nano_teacher(models, prompts)
    with TemporaryDirectory() as folder:
        cache = SignalCache(Path(folder) / "teacher.sqlite")
        teacher.cache = cache
        teacher.ask(some)

        def ask(of: SignalCache | None) -> float:
            teacher.cache = of
            return seconds(lambda: teacher.ask(some))

        return in_turn(lambda: ask(cache), lambda: ask(None), rounds)


def rows(prompts: int = 512) -> list[Row]:
    """The nano teacher."""
    pair = measure(load_pair("nano"), prompts, 7)
    return [
        Row(
            f"teacher replies from the cache, nano, {prompts} prompts, beside a teacher pass",
            f"{1e3 * pair.ours:.0f} ms for {1e3 * pair.theirs:.0f} ms",
            f"{pair.ratio:.0f} x as fast",
            ">= 10 x",
        )
    ]
