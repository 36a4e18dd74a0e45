"""One run of `readsim distill` as data: TOML tables, checked field by field."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from readsim.envs.episode import MOST_STEPS
from readsim.errors import ConfigError, unknown
from readsim.files import AnyPath, read_settings
from readsim.runs.cell import file_name, file_part
from readsim.streams import LARGEST_SEED
from readsim.token_counts import MOST, parse_tokens
from readsim.worlds.task import task_name
from readsim_hf.config_merge import (
    MOST_COUNT,
    explain,
    made_of_file,
    merge,
    plain_value,
    table_in,
    within,
    without_none,
    without_replaced,
)
from readsim_hf.consent import check_code, judge_with_key, with_key
from readsim_hf.data_config import DataConfig
from readsim_hf.elicitation.base import ElicitationConfig
from readsim_hf.methods.brought import brought_share, named_method, with_sampling
from readsim_hf.models.chat_template import DATE
from readsim_hf.models.loading import DeviceMap
from readsim_hf.models.quantised import QUANTISED
from readsim_hf.probes.own.config import JudgeConfig, TaskConfig
from readsim_hf.probes.sandbox import AllowCode
from readsim_hf.prompts.library import Form
from readsim_hf.requirement.config import IdentifierConfig
from readsim_hf.sampling_config import SamplingConfig
from readsim_hf.store.manifest import load_manifest
from readsim_hf.store.settings import stored_settings
from readsim_hf.teachers.connection import ServerSettings
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.served import StudentServerConfig

_STRICT = ConfigDict(extra="forbid", strict=True)  # TOML has types: nothing is converted
PRESETS = Path(__file__).parent / "presets"  # of the pairs that have a name
MOST_CONTEXT = 10**8  # tokens
MOST_LAYERS = 10_000
MOST_ITEMS = 100_000  # of a split, a capability
MOST_SAMPLES = 1000  # replies that a log keeps of each capability at each decision
MOST_THREADS = 1024
CONFIGS = Path(__file__).parent / "configs"  # whole runs that have one


@dataclass(frozen=True)
class PairConfig:
    """`name` alone (nano, micro, smollm2), or `teacher` and `student`: Hugging Face ids, folders, GGUF files.

    `teacher` may also be a server, http://HOST:PORT/v1; `teacher_model` is its served model (default:
    the only one; #NAME behind an address goes before it), `teacher_tokenizer` a source of its
    tokenizer, which distributions need. `teachers`: capability -> source, `teacher` for the rest.
    `device_map` spreads teachers over devices: auto, balanced, ... or a table module -> device.
    `layers` of the pruned smollm2 student; `device` cpu, cuda, cuda:N or auto; `teacher_precision`
    fp32, bf16 or fp16 (nano, micro: fp32, others: bf16), or with bitsandbytes int8 or nf4;
    `student_precision` fp32, or for a student with LoRA bf16 (its default where training is bf16), int8 or
    nf4 (QLoRA); `context` the longest
    sequence in tokens (None: what both models read; needed where neither states it).

    Around each prompt stand `system_prompt` and the teacher's chat template (`chat_template`: a file
    of another one, or "none") with `chat_template_kwargs`, such as {enable_thinking = false}; `date` is
    the day that a template writes. They are the same in training, in probes and in the saved student.
    """

    __pydantic_config__ = _STRICT
    name: str | None = None
    teacher: str | None = None
    student: str | None = None
    layers: int = 10
    device: str = "cpu"
    teacher_precision: str | None = None
    student_precision: str | None = None
    teacher_model: str | None = None
    teacher_tokenizer: str | None = None
    teachers: dict[str, str] = field(default_factory=dict)
    device_map: DeviceMap | None = None
    context: int | None = None
    system_prompt: str | None = None
    chat_template: str | None = None
    chat_template_kwargs: dict[str, Any] = field(default_factory=dict)
    date: str = DATE

    def __post_init__(self) -> None:
        known = ("fp32", "bf16", *QUANTISED)
        if self.student_precision is not None and self.student_precision not in known:
            raise unknown("student_precision", self.student_precision, known)
        if self.context is not None:
            within(self, "context", 1, MOST_CONTEXT)
        within(self, "layers", 1, MOST_LAYERS)


@dataclass(frozen=True)
class SoftConfig:
    """What is kept of the teacher's distributions: full, topk (with a tail bucket) or sampled."""

    __pydantic_config__ = _STRICT
    kind: Literal["full", "topk", "sampled"] = "topk"
    k: int = 64


@dataclass(frozen=True)
class DecodingConfig:
    """How replies are generated; `max_new_tokens` and `batch_size` (it changes the speed only) are for all.

    `temperature` is the teacher's, `student_temperature` that of the replies that the student writes in
    training: 1 draws from its own distribution, as GKD, MiniLLM, DistiLLM and on-policy distillation do.
    Groups of the student's replies ([sampling]) are always drawn at 1. Probes read none of this.
    """

    __pydantic_config__ = _STRICT
    max_new_tokens: int = 128
    temperature: float = 0.7
    student_temperature: float = 1.0
    batch_size: int = 16

    def of_teacher(self) -> Decoding:
        """Of the teacher's replies. Raises ConfigError for a value out of range, as `of_student` does."""
        return Decoding(self.max_new_tokens, self.temperature, self.batch_size)

    def of_student(self) -> Decoding:
        """Of the student's replies, where they are no group."""
        return Decoding(self.max_new_tokens, self.student_temperature, self.batch_size)


@dataclass(frozen=True)
class BenchmarkConfig:
    """A benchmark of `readsim models benchmarks` on a file of yours.

    See `readsim_hf.probes.registry.from_local` for the fields; xstest without a task is both of its.
    """

    __pydantic_config__ = _STRICT
    name: str
    path: str
    task: str | None = None
    shots: int = 0
    shots_from: str | None = None
    chance_corrected: bool = False
    max_new_tokens: int | None = None


@dataclass(frozen=True)
class ProbeConfig:
    """Items of each split a capability; `seed` draws them, the same for all runs that are compared.

    A capability with `tasks`, evaluations of yours (`judge` grades replies for them), or `benchmarks` is
    measured by these, the others by generated items, which ask for the final answer only or, with
    `form = "rationale"` ("equations", "plan"), for what leads there first: the same for all runs that are
    compared, whatever signal they train on. `truncate` cuts items that are too long for the model on the
    left; without it they are an error. `samples` replies of each capability are kept at each decision, in
    the run log and for TensorBoard and its like; 0 keeps none. `allow_code`
    lets benchmarks run model-written code (see `readsim_hf.probes.sandbox`): no table of settings can say
    so, only --allow-code and an argument of that name in Python.
    """

    __pydantic_config__ = _STRICT
    probe: int = 64
    dev: int = 64
    test: int = 256
    seed: int = 0
    form: Form = "answer"
    max_new_tokens: int = 64
    batch_size: int = 128
    truncate: bool = False
    benchmarks: tuple[BenchmarkConfig, ...] = ()
    tasks: tuple[TaskConfig, ...] = ()
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    allow_code: AllowCode = False
    samples: int = 2

    def __post_init__(self) -> None:
        for name in ("probe", "dev", "test"):
            within(self, name, 2, MOST_ITEMS)
        within(self, "seed", 0, LARGEST_SEED)
        within(self, "samples", 0, MOST_SAMPLES)
        for name in ("max_new_tokens", "batch_size"):
            within(self, name, 1, MOST_COUNT)
        if self.allow_code not in (False, True, "unwalled"):
            raise ConfigError(f"allow_code = {self.allow_code!r}: expected a bool or 'unwalled'")


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run of `readsim distill`.

    method      one of `readsim models methods`, by its name there or in a paper, or "" with
    signal, objective, objective_settings   any compatible combination; `objective` may be a sum, such as
                "0.3*sft + 0.7*skew-fkl(alpha=.1)", whose settings stand in it
    auxiliary_weight   of the rationale (the plan) of step-by-step and plan-then-code in the loss
    on_policy   share of prompts for which the student trains on its own replies; on-policy methods set it
    sampling    of objectives that train on groups of replies to one prompt
    task        "average", a capability (0.6 for it), {capability: weight}, or "safety", which is
                measured at the end and never trained on: xstest has to be among the benchmarks
    keep_best   keep the student that was best on the dev split as well as the last one, and test both
    pool_runs   short training runs for an offline pool and the identifier; the most whole ones of a `level`
    pool_steps  intervals of each of these runs, with a probe after each; as many as `steps` makes a whole run
    identify    estimate the task's requirement from its card (`identifier`) instead of giving it
    timeout     minutes that one of several processes waits for another's part of a step
    """

    __pydantic_config__ = _STRICT
    pair: PairConfig = PairConfig()
    method: str = "logit-kd"
    signal: str = ""
    objective: str = ""
    objective_settings: dict[str, float] = field(default_factory=dict)
    auxiliary_weight: float = 1.0
    on_policy: float = 0.0
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    soft: SoftConfig = SoftConfig()
    decoding: DecodingConfig = DecodingConfig()
    elicitation: ElicitationConfig = field(default_factory=ElicitationConfig)
    training: Recipe = field(default_factory=Recipe)
    data: DataConfig = field(default_factory=DataConfig)
    probes: ProbeConfig = ProbeConfig()
    server: ServerSettings = field(default_factory=ServerSettings)
    student_server: StudentServerConfig = field(default_factory=StudentServerConfig)
    task: str | dict[str, float] = "average"
    budget: int = 1_000_000
    steps: int = 20
    allocator: str = "task-static"
    allocator_settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    keep_best: bool = False
    pool_runs: int = 8
    pool_steps: int = 1
    identify: bool = False
    identifier: IdentifierConfig = field(default_factory=IdentifierConfig)
    threads: int = 1
    timeout: float = 30.0

    def __post_init__(self) -> None:
        by_hand = bool(self.signal), bool(self.objective)
        if by_hand != (not self.method, not self.method):
            raise ConfigError(
                f"method = {self.method!r}, signal = {self.signal!r}, objective = {self.objective!r}: "
                "give either a method, or signal and objective with method = ''"
            )
        if self.method and self.objective_settings:
            raise ConfigError(
                f"objective_settings = {self.objective_settings!r}: settings of an objective, not of "
                f"the method {self.method!r}; give signal and objective with method = ''"
            )
        if self.pair.student_precision not in (None, "fp32") and not self.training.lora:
            raise ConfigError(
                f"pair.student_precision = {self.pair.student_precision!r} with training.lora = 0: weights "
                "train in 'fp32' (training.precision = 'bf16' computes in bfloat16), or give lora a rank"
            )
        for name, least, most in (
            ("pool_runs", 1, MOST_COUNT),
            ("threads", 1, MOST_THREADS),
            ("seed", 0, LARGEST_SEED),
            ("budget", 1, MOST),
            ("steps", 1, MOST_STEPS),
            ("pool_steps", 1, self.steps),
        ):
            within(self, name, least, most)
        if self.identifier.card and not self.identify:
            raise ConfigError(
                f"identifier.card = {self.identifier.card!r}: a card is read only with identify = true"
            )
        if not 0.0 < self.auxiliary_weight < float("inf"):
            raise ConfigError(
                f"auxiliary_weight = {self.auxiliary_weight!r}: expected a number above 0"
            )
        if not 0.0 < self.timeout <= 10080.0:
            raise ConfigError(f"timeout = {self.timeout!r}: expected minutes > 0, at most 10080")
        if not 0.0 <= self.on_policy <= 1.0:
            raise ConfigError(f"on_policy = {self.on_policy!r}: expected a share between 0 and 1")

    @property
    def student_precision(self) -> str:
        """Of the student's weights: as the pair says; else bf16 for weights that LoRA leaves as they are
        where training computes in that, and fp32 for weights that train."""
        frozen = self.training.lora and self.training.precision == "bf16"
        return self.pair.student_precision or ("bf16" if frozen else "fp32")

    @classmethod
    def of(cls, *tables: Mapping[str, Any], allow_code: AllowCode = False) -> Self:
        """From tables, the later ones over the earlier ones, key by key.

        A method replaces an earlier signal and objective, and these an earlier method; what else it brings
        is in `readsim_hf.methods.brought`. `budget` may be text such as "200k". Raises ConfigError naming the
        field, the value and what is accepted; an unknown field is an error, and so is a table that allows
        model-written code.
        """
        merged: dict[str, Any] = {}
        own = True
        for table in tables:
            _refuse_permission(table)
            merged = merge(without_replaced(with_sampling(merged, table), table), table)
            if name := named_method(table):
                merged["method"] = name
            share, own = brought_share(table, own)
            merged |= share
        if isinstance(merged.get("budget"), str):
            merged["budget"] = parse_tokens(merged["budget"])
        try:
            made = TypeAdapter(cls).validate_json(json.dumps(merged, default=plain_value))
        except ValidationError as error:
            raise ConfigError("; ".join(explain(cls, e) for e in error.errors())) from error
        return replace(made, probes=replace(made.probes, allow_code=allow_code))

    def table(self) -> dict[str, Any]:
        """As TOML-able data: what is None is left out, and so is `probes.allow_code`."""
        table: dict[str, Any] = without_none(asdict(self))
        del table["probes"]["allow_code"]
        return table


def _refuse_permission(table: Mapping[str, Any], source: str = "settings") -> None:
    probes = table.get("probes")
    if isinstance(probes, Mapping) and probes.get("allow_code", False) is not False:
        raise ConfigError(
            f"probes.allow_code = {json.dumps(probes['allow_code'], default=repr)}: {source} cannot "
            "let code that a model wrote run; say --allow-code on the command line (an argument "
            "allow_code=True in Python)"
        )


def config_names() -> list[str]:
    """Names of the runs whose settings come with readsim."""
    return sorted(path.stem for path in CONFIGS.glob("*.toml"))


def read_table(path: AnyPath) -> dict[str, Any]:
    """The tables of a TOML, JSON or YAML file, or of the shipped run of that name (see `config_names`; a
    file of that name comes first). Raises ConfigError if it cannot be read."""
    path = Path(path)
    if not path.exists() and path.suffix != ".toml" and path.name == str(path):
        if path.name not in config_names():
            raise unknown("config", path.name, config_names())
        path = CONFIGS / f"{path.name}.toml"
    return read_settings(path)


def preset_table(pair: str | None) -> dict[str, Any]:
    """The settings that suit a named pair; none for other models."""
    path = PRESETS / f"{pair}.toml"
    return read_table(path) if path.is_file() else {}


def resolve_config(
    file: AnyPath | None,
    options: Mapping[str, Any],
    cache: Path | None = None,
    allow_code: AllowCode = False,
) -> RunConfig:
    """The preset of the pair, then the file, then the options; `cache` where these name none.

    `allow_code` is whoever calls that says so, never the file. ConfigError for what a file may not decide
    alone: see `readsim_hf.consent`.
    """
    table = read_table(file) if file is not None else {}
    _refuse_permission(table, f"the settings in {file}")
    check_code(str(file), table, options)
    in_file = table.get("pair", {})
    pair = {**(in_file if isinstance(in_file, Mapping) else {}), **options.get("pair", {})}
    named, stored = dict[str, Any](), dict[str, Any]()
    store = table_in(options, "data").get("store", table_in(table, "data").get("store"))
    if store and isinstance(store, str):
        stored = stored_settings(load_manifest(store), pair)
        pair, cache = {**stored["pair"], **pair}, None
    if pair.get("teacher") is None and pair.get("student") is None:
        named = preset_table(str(pair.setdefault("name", "nano")))
        named["pair"] = {"name": pair["name"]}
    below = {"data": {"cache": str(cache)}} if cache is not None else {}
    make = partial(RunConfig.of, allow_code=allow_code)
    config = made_of_file(make, (below, named, stored), table, file, options)
    teachers = () if store else (config.pair.teacher, *config.pair.teachers.values())
    judge = judge_with_key(str(file), config.probes.judge, table, options)
    return replace(
        config,
        server=with_key(str(file), config.server, teachers, table, options),
        probes=replace(config.probes, judge=judge),
    )


def run_name(config: RunConfig) -> str:
    """Of the run's files: what tells runs in one folder apart."""
    signal = config.method or file_part(f"{config.signal}.{config.objective}")
    more = [] if signal == RunConfig().method else [signal]
    more += ["identified"] if config.identify else []
    log = file_name(
        config.allocator, task_name(config.task), config.budget, *more, f"seed{config.seed}"
    )
    return log.removesuffix(".jsonl")
