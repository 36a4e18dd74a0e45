"""What must be equal in runs that are compared, as plain data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from readsim.files.json_text import digest_of
from readsim_hf.config import RunConfig
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.models.pairs import Pair
from readsim_hf.objectives.sampling import sampling_of
from readsim_hf.probes.splits import Splits
from readsim_hf.prompts.library import Library
from readsim_hf.sources.opened import Source
from readsim_hf.supervision import supervision
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.ids import fingerprint, prompt_facts
from readsim_hf.training.saved import file_digest

# Of the recipe: results do not depend on these, but by rounding.
UNSEEN = ("micro_batch", "micro_tokens", "packing", "deterministic")


def manifest_of(
    config: RunConfig,
    pair: Pair,
    library: Library,
    teacher: AnyTeacher,
    splits: Splits,
    datasets: Sequence[Source] = (),
    scoring: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What must be equal in runs that are compared: all but task, allocator, seed and device.

    scoring   what scores depend on besides items and settings (`benchmark_factory.scoring_of`)
    """
    table = config.table()
    student = pair.student
    shared = ["method", "signal", "objective", "objective_settings", "on_policy", "soft"]
    signal = teacher.signal
    elicits = signal.reads if isinstance(signal, Elicitation) else ()
    if signal.tasks > 1 and not isinstance(signal, Elicitation):
        shared.append("auxiliary_weight")
    left = (
        "cache",
        "templates",
        "template_files",
        "sources",
        "capabilities",
        "store",
    )  # of no effect, or seen in "templates" and "sources" below, or in the teacher's fingerprint
    grouped = sampling_of(supervision(config)[1]) is not None
    if grouped:
        shared.append("sampling")
    writes = isinstance(teacher.signal, Elicitation) or (config.on_policy > 0 and not grouped)
    decoding = ["max_new_tokens", "temperature", *(["student_temperature"] if writes else [])]
    data = {k: v for k, v in table["data"].items() if k not in left}
    probes = {k: v for k, v in table["probes"].items() if k not in ("batch_size", "samples")}
    probes["allow_code"] = bool(config.probes.allow_code)
    probes["benchmarks"] = [
        {k: file_digest(Path(v)) if k == "shots_from" else v for k, v in b.items() if k != "path"}
        for b in probes["benchmarks"]  # their items are in the splits' digests
    ]
    every = {k: v for k, v in table["student_server"].items() if k == "every"}
    files = ("yaml", "path", "probe", "dev", "test", "shots_from")
    probes["tasks"] = [{k: v for k, v in t.items() if k not in files} for t in probes["tasks"]]
    judge = probes.pop("judge")
    judged = grouped and config.sampling.reward == "judge"
    if judged or any(task.metric == "judge" for task in config.probes.tasks):
        probes["judge"] = {
            "model": config.probes.judge.named,
            **{k: judge[k] for k in ("best", "max_new_tokens")},
        }
    if not probes["tasks"]:
        del probes["tasks"]
    return {
        "pair": pair.name,
        "context": pair.context,
        "teacher": teacher.fingerprint,
        "student": fingerprint(student, pair.tokenizer),
        "prompts": prompt_facts(student, pair.tokenizer) | pair.prompts.table(),
        **{key: table[key] for key in shared},
        **({"elicitation": {k: table["elicitation"][k] for k in elicits}} if elicits else {}),
        **({"student_server": every} if config.student_server.address else {}),
        "decoding": {k: v for k, v in table["decoding"].items() if k in decoding},
        "training": {k: v for k, v in table["training"].items() if k not in UNSEEN},
        "data": data,
        **(
            {"sources": {source.name: source.manifest() for source in datasets}} if datasets else {}
        ),
        "library": library.name,
        "templates": digest_of(
            [[t.id for t in library.templates[c]] for c in library.capabilities]
            + [file_digest(Path(path)) for path in config.data.template_files]
        ),
        "probes": {**probes, **({"scoring": dict(scoring)} if scoring else {}), **splits.digest()},
    }
