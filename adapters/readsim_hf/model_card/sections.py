"""The sections of a model card that say how the student was made, and how to use it."""

from collections.abc import Mapping
from typing import Any

import tomli_w

from readsim.runs.read_logs import Log
from readsim.summary.show import markdown, markdown_text
from readsim.token_counts import show_tokens
from readsim_hf.components import Components
from readsim_hf.config import RunConfig, run_name
from readsim_hf.model_card.words import TODO, as_code, code_block, hub_id, name_list, source_text
from readsim_hf.models.pairs import sources
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.sampling import sampling_of
from readsim_hf.objectives.sums import Sum
from readsim_hf.published import published, without_keys
from readsim_hf.supervision import own_share, supervision
from readsim_hf.teachers.connection import is_server


def about_section(config: RunConfig, parts: Components, log: Log, student: str) -> str:
    """What the student is, in two sentences."""
    kind = (
        f"LoRA adapters (rank {config.training.lora}) for the language model"
        if config.training.lora
        else "All weights of the language model"
    )
    date = (log.header.created or "")[:10]
    return (
        f"{kind} `{source_text(student)}`, distilled from {_teachers(config)} with readsim "
        f"{log.header.versions.get('readsim', '')}: {show_tokens(config.budget)} supervised tokens, "
        f"shared among {name_list(parts.sources)} by the allocator `{config.allocator}` in "
        f"{config.steps} decisions. The run began on {date}.\n\n"
        "This card was written by the run itself. It holds what was measured; what only its owner "
        "knows is marked as to be filled in."
    )


def pair_section(config: RunConfig, parts: Components, student: str) -> str:
    """Sources and fingerprints of teachers and student."""
    _, teacher, _ = sources(
        config.pair.name, config.pair.teacher, config.pair.student, config.pair.layers
    )
    rows = [["teacher", f"`{source_text(teacher)}`" if teacher else "none: all replies were given"]]
    others = config.pair.teachers.items()
    rows += [[f"teacher of {markdown_text(c)}", f"`{source_text(s)}`"] for c, s in others]
    rows += [["student", f"`{source_text(student)}`"]]
    marks = [
        ["teacher" if not config.pair.teachers else "teachers together", parts.manifest["teacher"]],
        ["student, before training", parts.manifest["student"]],
    ]
    served = any(map(is_server, (teacher, *config.pair.teachers.values())))
    return (
        markdown(["", "source"], rows, 2)
        + "\nFingerprints (SHA-256 over configuration, weights and vocabulary"
        + ("; of a served model its name only, its weights are not seen" if served else "")
        + "):\n\n"
        + markdown(["", "fingerprint"], [[who, f"`{mark}`"] for who, mark in marks], 2)
        + f"\nThe longest sequence is {parts.pair.context} tokens."
    )


def _own_drawing(config: RunConfig, objective: Objective) -> list[str]:
    """How the student's replies were drawn, where it wrote any that are trained on."""
    if not own_share(config, objective):
        return []
    grouped = sampling_of(objective) is not None
    drawn = 1.0 if grouped else config.decoding.student_temperature
    return [f"* The student's replies were drawn at temperature {drawn:g}"]


def method_section(config: RunConfig, parts: Components) -> str:
    """Signal, objective and decoding."""
    signal, objective, kept = supervision(config)
    settings = ", ".join(f"{k} = {v}" for k, v in sorted(vars(objective).items()))
    settings = "" if isinstance(objective, Sum) and config.objective else settings
    lines = [
        f"* Method: `{config.method}`"
        if config.method
        else "* Method: signal and objective by hand",
        f"* Signal: `{signal.name}` (the teacher's replies are asked for in the form `{signal.form}`)",
        f"* Objective: `{config.objective or type(objective).__name__}`"
        + (f" ({settings})" if settings else ""),
        "* The teacher's distributions: "
        + ("not used" if kept is None else f"`{kept.kind}`" + _of_k(kept.kind, kept.k)),
        f"* The student's own replies: {100 * own_share(config, objective):g} % of the replies",
        (
            f"* The teacher's decoding: temperature {config.decoding.temperature:g}, at most "
            f"{config.decoding.max_new_tokens} new tokens"
        ),
        *_own_drawing(config, objective),
    ]
    if signal.tasks > 1:
        lines.append(f"* Weight of the auxiliary task: {config.auxiliary_weight:g}")
    return "\n".join(lines)


def _of_k(kind: str, k: int) -> str:
    return "" if kind == "full" else f", k = {k}"


def data_section(
    config: RunConfig, parts: Components, counts: Mapping[str, Mapping[str, float]]
) -> str:
    """What was trained on: prompts of our templates, rows of data sets, and of each source how many."""
    made = _templates(config, parts, counts) if parts.library.templates else ""
    return (
        made
        + _datasets(parts, counts)
        + f"\n{TODO} the licence of the teacher's outputs. Some models' terms restrict what may be "
        "trained on their replies; readsim does not know the terms of this teacher."
    )


def _datasets(parts: Components, counts: Mapping[str, Mapping[str, float]]) -> str:
    """Rows of users; "" without any."""
    if not parts.datasets:
        return ""
    columns = ("drawn", "repeated", "leaked", "too_long", "wrong")
    rows = [
        [
            markdown_text(s.name),
            f"`{published(s.config.path)}`",
            f"{s.rows.facts.format}, {'asked' if s.asks else 'given'}",
            f"{s.many:,}",
            *(f"{counts[s.name][name]:,}" for name in columns),
            f"{counts[s.name]['epochs']:.2f}",
            f"`{s.rows.facts.digest[:16]}`",
        ]
        for s in parts.datasets
    ]
    header = [
        "source",
        "data",
        "format, replies",
        "rows",
        "trained",
        "repeated",
        "held out",
        "too long",
    ]
    return (
        "\nData sets of its owner; rows that equal a probe, dev or test item, or share 13 words in a row "
        "with one, were left out (held out), as were rows that are too long and given replies that miss the "
        "gold answer (wrong). SHA-256 is that of the rows.\n\n"
        + markdown([*header, "wrong", "epochs", "SHA-256"], rows, 3)
        + f"\n{TODO} the licences of these data sets.\n"
    )


def _templates(
    config: RunConfig, parts: Components, counts: Mapping[str, Mapping[str, float]]
) -> str:
    library, data = parts.library, config.data
    rows = [
        [
            markdown_text(name),
            str(len(library.templates[name])) if parts.store is None else "-",
            f"{counts[name]['drawn']:,}",
            f"{counts[name]['repeated']:,}",
            f"{counts[name]['leaked']:,}",
        ]
        for name in parts.sources
    ]
    if parts.store is not None:
        return (
            "Prompts and the teacher's replies come from a teach store (SHA-256 of its content "
            f"`{parts.store.manifest.content}`). Curriculum: `{data.curriculum}`. Prompts that equal a "
            "probe, dev or test item, or share 13 words in a row with one, were left out.\n\n"
            + markdown(["source", "templates", "prompts", "repeated", "left out"], rows, 1)
            + f"\n{TODO} the licence of the teacher's outputs. Some models' terms restrict what may be "
            "trained on them."
        )
    own = ", ".join(f"`{published(str(path))}`" for path in data.template_files)
    return (
        f"Prompts were generated from the templates of readsim's library `{library.name}`"
        + (f" and of {own}" if own else "")
        + f" (SHA-256 of their names and files `{parts.manifest['templates'][:16]}`); the replies are the "
        "teacher's"
        + (", or the student's own" if own_share(config, supervision(config)[1]) else "")
        + f". Curriculum: `{data.curriculum}`, difficulty by `{data.difficulty}`. Draws that equal a "
        "probe, dev or test item, or share 13 words in a row with one, were left out.\n\n"
        + markdown(["capability", "templates", "prompts", "repeated", "left out"], rows, 1)
    )


def training_section(config: RunConfig) -> str:
    """The recipe, field by field."""
    recipe = vars(config.training)
    shown = [[f"`{name}`", f"`{value}`"] for name, value in recipe.items()]
    return markdown(["setting", "value"], shown, 2)


def loading_section(
    config: RunConfig, parts: Components, student: str, prompts: Mapping[str, Any] | None
) -> str:
    """Code that loads the student, and how prompts are asked."""
    base = hub_id(student) or "THE-BASE-MODEL"
    lines = ["from transformers import AutoModelForCausalLM, AutoTokenizer", ""]
    if config.training.lora:
        lines[:0] = ["from peft import PeftModel"]
        lines += [
            f'base = AutoModelForCausalLM.from_pretrained("{base}")',
            'model = PeftModel.from_pretrained(base, "THIS-FOLDER")',
        ]
    else:
        lines += ['model = AutoModelForCausalLM.from_pretrained("THIS-FOLDER")']
    lines += ['tokenizer = AutoTokenizer.from_pretrained("THIS-FOLDER")']
    text = code_block("python", "\n".join(lines))
    if config.training.lora and hub_id(student) is None:
        text += (
            "\n\n`adapter_config.json` names the base model by a folder of the machine that trained it: "
            "change it to where others find the base model."
        )
    signal, _, _ = supervision(config)
    asked = parts.library.style.suffix(signal.form)
    probed = parts.library.style.suffix(config.probes.form)
    text += "\n\nThe student was trained on prompts that end with\n\n" + code_block("text", asked)
    if probed != asked:
        text += "\n\nand measured on generated prompts that end with\n\n" + code_block(
            "text", probed
        )
    if prompts is None:
        has = bool(getattr(parts.pair.tokenizer, "chat_template", None))
        return text + (
            "\n\nThe tokenizer brings a chat template, in which probes were asked."
            if has
            else "\n\nThe tokenizer has no chat template: prompts were sent as plain text."
        )
    text += "\n\nHow a prompt becomes the student's tokens:"
    for name, value in prompts.items():
        if isinstance(value, str) and "\n" in value:
            text += f"\n\n`{name}`:\n\n{code_block('text', without_keys(value))}"
        else:
            text += f"\n\n`{name}`: {as_code(value)}"
    return text


def limits_section(config: RunConfig, parts: Components) -> str:
    """What the numbers do not say."""
    generated = [
        b.capability
        for b in parts.suite.benchmarks
        if any(item.is_prompt for item in parts.suite.splits.items(b.name, "dev"))
    ]
    lines = [
        (
            "The intervals say how much other test items would have changed the numbers. They do not say "
            f"what another seed or order of training would have given: this is one run (seed {config.seed})."
        ),
        (
            "Only what the table of scores names was measured. "
            + ("" if "safety" in parts.suite.capabilities else "Safety was not. ")
            + "Bias, truthfulness, other languages and other uses were not."
        ),
    ]
    if generated:
        lines.append(
            f"{name_list(generated)}: measured by items of the same templates that made the training "
            "prompts (other items, other draws), so the scores say little about prompts of another form."
        )
    if parts.left_out:
        lines.append(f"{len(parts.left_out)} templates were left out: too long for the context.")
    return "\n".join(f"* {line}" for line in lines)


def open_section(student: str) -> str:
    """What only the owner can fill in."""
    lines = [
        (
            "the licence of these weights (`license`, `license_name` in the front matter), which the "
            "licences of the base model and of the teacher may bound"
        ),
        "whether the teacher's terms allow training on its outputs",
        "the languages that it is meant for (`language`)",
        "who made it, what it is meant for, and what it is not meant for",
    ]
    if hub_id(student) is None:
        lines.insert(
            1,
            f"the base model's id on the hub (`base_model`; here it was `{source_text(student)}`)",
        )
    return "\n".join(f"* [ ] {line}" for line in lines)


def repeating_section(config: RunConfig, log: Log) -> str:
    """Settings and command that repeat the run, and the versions that it ran with."""
    table = published(config.table())
    table["data"].pop("cache", None)
    name = run_name(config)
    versions = {**log.header.versions, **(log.header.manifest or {}).get("versions", {})}
    made = ", ".join(f"{package} {version}" for package, version in sorted(versions.items()))
    return (
        f"Put these settings into `{name}.toml`:\n\n"
        + code_block("toml", tomli_w.dumps(table).strip())
        + "\n\nand run\n\n"
        + code_block("sh", f"readsim distill --config {name}.toml --out FOLDER")
        + "\n\nAddresses are shortened, absolute paths are cut to their last part, and keys are left out: "
        "they may have to be put back. "
        f"It ran with {made}"
        + (f", readsim's revision `{log.header.git}`" if log.header.git else "")
        + f". What decides the result has the identity `{log.header.world_digest}`."
    )


def citation_section(log: Log) -> str:
    """How readsim is cited."""
    version = log.header.versions.get("readsim", "")
    entry = (
        "@software{readsim,\n  title = {readsim: a simulator of budgeted capability distillation},\n"
        f"  author = {{readsim developers}},\n  version = {{{version}}}\n}}"
    )
    return code_block("bibtex", entry) + f"\n\n{TODO} how this student is to be cited."


def _teachers(config: RunConfig) -> str:
    _, teacher, _ = sources(
        config.pair.name, config.pair.teacher, config.pair.student, config.pair.layers
    )
    if not teacher:
        return "given replies"
    all_of_them = dict.fromkeys((teacher, *config.pair.teachers.values()))
    return " and ".join(f"`{source_text(source)}`" for source in all_of_them)
