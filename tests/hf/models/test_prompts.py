"""One way from a prompt to ids: an instruct teacher and its base student, in training, probes and on disk."""

import datetime
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.chat_models import FAMILIES, chat_folder, chat_tokenizer

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors", "lm_eval", "pydantic")

SETTINGS: dict[str, Any] = {
    "budget": 400,
    "steps": 2,
    "method": "resp-sft",
    "probes": {"probe": 3, "dev": 2, "test": 2, "max_new_tokens": 4},
    "decoding": {"max_new_tokens": 8},
    "data": {"capabilities": ("math", "general")},
}


def on_day(monkeypatch: pytest.MonkeyPatch, year: int, month: int, day: int) -> None:
    """Let Hugging Face's templates write that day."""
    import transformers.utils.chat_template_utils as utils

    class Day(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Day":
            return cls(year, month, day)

    monkeypatch.setattr(utils, "datetime", Day)


def folders(path: Path, family: str) -> dict[str, Any]:
    chat = FAMILIES[family]
    return {
        "teacher": chat_folder(path / "teacher", chat, instruct=True),
        "student": chat_folder(path / "student", chat, instruct=False, seed=1),
    }


def loaded(path: Path, family: str, **settings: Any) -> Any:
    from readsim_hf.models.pairs import load_pair

    with pytest.warns(UserWarning, match="student.* takes its teacher's"):
        return load_pair(**folders(path, family), teacher_precision="fp32", **settings)


def components(pair: Any, **settings: Any) -> Any:
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig

    return build_components(RunConfig.of(SETTINGS, settings), pair)


def probed(parts: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """What a probe sends, by the item's text."""
    from readsim_hf.probes.lm import ProbeLM

    sent: list[list[int]] = []
    generate = ProbeLM._model_generate

    def noted(self: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        mask = kwargs["attention_mask"].bool()
        sent.extend(row[m].tolist() for row, m in zip(context, mask, strict=True))
        return generate(self, context, *args, **kwargs)

    monkeypatch.setattr(ProbeLM, "_model_generate", noted)
    parts.measure(parts.pair.student, "probe")
    items = [i for b in parts.suite.benchmarks for i in parts.suite.splits.items(b.name, "probe")]
    text = parts.pair.tokenizer.decode
    return {i.prompt.text: ids for i in items for ids in sent if i.prompt.text in text(ids)}


@pytest.mark.parametrize("family", FAMILIES)
def test_training_probes_and_the_saved_student_read_the_same_ids(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    chat = FAMILIES[family]
    pair = loaded(tmp_path, family, chat_template_kwargs=chat.arguments)
    parts = components(pair)
    sent = probed(parts, monkeypatch)
    prompts = {
        i.prompt.text: i.prompt
        for b in parts.suite.benchmarks
        for i in parts.suite.splits.items(b.name, "probe")
    }
    assert sent.keys() == prompts.keys()
    pair.tokenizer.save_pretrained(tmp_path / "saved")
    pair.fresh_student().generation_config.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    for text, prompt in prompts.items():
        trained = parts.teacher.encode(prompt).tolist()
        assert trained == sent[text]
        message = [{"role": "user", "content": parts.library.style.ask(prompt, "answer")}]
        told: Any = again.apply_chat_template(message, add_generation_prompt=True)
        assert list(told["input_ids"]) == trained
        # Hugging Face's own reading of the teacher's own template, on the fixed day.
        on_day(monkeypatch, 2026, 1, 1)
        written = str(
            chat_tokenizer(chat, instruct=True).apply_chat_template(
                message,
                tokenize=False,
                add_generation_prompt=True,
                **chat.arguments,
            )
        )
        assert pair.tokenizer.decode(trained) == written
        assert chat.start is None or written.count(chat.start) == int(chat.start in written[:20])
    ends = GenerationConfig.from_pretrained(tmp_path / "saved").eos_token_id
    ends = {ends} if isinstance(ends, int) else set(ends)
    assert set(parts.teacher.ends) <= ends
    assert {pair.tokenizer.convert_ids_to_tokens(end) for end in ends} == {
        *chat.ends[2],
        chat.ends[0],
    }


def test_a_probe_stops_at_each_end_of_the_teacher(tmp_path: Path) -> None:
    from readsim_hf.probes.lm import ProbeLM, quiet

    pair = loaded(tmp_path, "gemma-3")
    with quiet():
        lm = ProbeLM(pair.student, pair.tokenizer, 4)
    ends = [pair.tokenizer.convert_tokens_to_ids(token) for token in ("<eos>", "<end_of_turn>")]
    assert lm._end_tokens() == sorted(ends)
    assert lm.tok_decode([*lm.tok_encode("a b", False), *ends]) == "a b"


def test_a_reply_ends_with_what_the_template_puts_behind_it() -> None:
    """Also where neither the tokenizer nor the generation config names it, and text becomes a reply."""
    from readsim_hf.teachers.encoding import end_ids, end_of, turn_end

    wanted = {
        "gemma-3": "<end_of_turn>",
        "mistral": "</s>",
    }  # this mistral's template tells no roles apart
    for family, chat in FAMILIES.items():
        tokenizer = chat_tokenizer(chat, instruct=True)
        named = tokenizer.convert_tokens_to_ids(list(dict.fromkeys(chat.ends[2])))
        end = tokenizer.convert_ids_to_tokens(end_of(tokenizer, named))
        assert end == wanted.get(family, tokenizer.eos_token)
    tokenizer = chat_tokenizer(FAMILIES["qwen-3"], instruct=False)
    assert tokenizer.eos_token == "<|endoftext|>"
    assert turn_end(tokenizer) is None
    assert end_ids(None, tokenizer) == (tokenizer.eos_token_id,)
    tokenizer.chat_template = FAMILIES[
        "qwen-3"
    ].template  # a chat format over a base model's end token
    turn = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert turn_end(tokenizer) == turn
    assert set(end_ids(None, tokenizer)) == {turn, tokenizer.eos_token_id}


def test_decoded_text_is_never_cleaned(tmp_path: Path) -> None:
    from readsim_hf.probes.lm import ProbeLM, quiet

    pair = loaded(tmp_path, "qwen-3")
    assert pair.tokenizer.clean_up_tokenization_spaces
    with quiet():
        lm = ProbeLM(pair.student, pair.tokenizer, 4)
    text = "x , y ? do n't !"
    assert lm.tok_decode(lm.tok_encode(text, False)) == text


def test_what_stands_around_a_prompt_is_part_of_the_identity(tmp_path: Path) -> None:
    given = folders(tmp_path, "smollm-3")
    template = tmp_path / "other.jinja"
    template.write_text("Q: {{ messages[-1]['content'] }}\nA:")

    def facts(**pair: Any) -> tuple[str, Any]:
        from readsim_hf.made_backend import make_backend

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            backend = make_backend(pair={**given, **pair}, **SETTINGS)
        return backend.components.identity, backend.components.manifest["prompts"]

    first, prompts = facts()
    assert "Today Date: 01 January 2026" not in str(prompts)  # a template, not a prompt
    assert len(prompts["ends"]) == 2
    assert prompts["chat_template"].endswith(FAMILIES["smollm-3"].template)
    assert facts()[0] == first
    others = [
        facts(date="2026-01-02")[0],
        facts(system_prompt="Be brief.")[0],
        facts(chat_template=str(template))[0],
        facts(chat_template="none")[0],
    ]
    assert len({first, *others}) == 5


def test_a_template_written_another_day_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.teachers.encoding import encode

    pair = loaded(tmp_path, "llama-3")
    ids = encode(pair.tokenizer, "17+25")

    on_day(monkeypatch, 2031, 5, 6)
    assert encode(pair.tokenizer, "17+25") == ids
    assert "01 Jan 2026" in pair.tokenizer.decode(ids)


CODES = "%A %a %B %b %-d %-m %d %m %Y %y %H:%M:%S %F %D %e %p %j %U %w %c %x %R %Z %%d 100%% %h"


def test_the_day_is_written_as_python_writes_it() -> None:
    from readsim_hf.models.chat_template import PromptSettings, chat_text, fixed_tokenizer

    tokenizer = chat_tokenizer(FAMILIES["qwen-3"], instruct=True)
    tokenizer.chat_template = "{{ strftime_now('" + CODES + "') }} {{ messages[0].content }}"
    for day in ("2024-02-29", "2031-12-01"):
        made = fixed_tokenizer(tokenizer, PromptSettings(date=day), "x")
        written = datetime.datetime.fromisoformat(f"{day}T00:00Z").strftime(CODES)
        assert chat_text(made, [{"role": "user", "content": "hi"}]) == f"{written} hi"


@pytest.mark.parametrize("text", ["Be brief.", "a \"b\" 'c' \\ \n {% if %} {{ x }} {# é 🙂"])
def test_a_system_prompt_is_sent_as_it_is_written(text: str) -> None:
    from readsim_hf.models.chat_template import PromptSettings, chat_text, fixed_tokenizer

    own = chat_tokenizer(FAMILIES["qwen-3"], instruct=True)
    made = fixed_tokenizer(own, PromptSettings(system_prompt=text), "x")
    asked = [{"role": "user", "content": "hi"}]
    whole = [{"role": "system", "content": text}, *asked]
    assert chat_text(made, asked) == chat_text(own, whole) == chat_text(made, whole)


def test_arguments_that_no_template_reads_are_refused(tmp_path: Path) -> None:
    from readsim_hf.models.pairs import load_pair

    given = folders(tmp_path, "gemma-3")
    with pytest.raises(
        ConfigError, match=r"chat_template_kwargs\.enable_thinking: no chat template"
    ):
        load_pair(**given, chat_template_kwargs={"enable_thinking": False})
    with pytest.raises(ConfigError, match=r"date = '1/2/2026': expected a day as YYYY-MM-DD"):
        load_pair(**given, date="1/2/2026")
    with pytest.raises(ConfigError, match=r"system_prompt: .* has no chat template"):
        load_pair(**given, chat_template="none", system_prompt="Be brief.")
    with pytest.raises(ConfigError, match=r"chat_template = 'nowhere\.jinja'"):
        load_pair(**given, chat_template="nowhere.jinja")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('only system') }}", "refuses messages of user: only system"),
        ("{{ messages[0].content[0].text }}", "leaves out a prompt's text"),
        ("{{ messages[0].content[:99] }}", "leaves out a prompt's text, or changes it"),
        ("{{ messages[0].content | e }}", "leaves out a prompt's text, or changes it"),
        (
            "{{ messages[0].content.split() | join(' ') }}",
            "leaves out a prompt's text, or changes it",
        ),
        ("{{ range(99999) | random }}{{ messages[0].content }}", "writes something else each time"),
        ("{% if %}", "refuses messages of user"),
        ("{{ range(1000000000) }}", "refuses messages of user: .*Range too big"),
        ("{{ 1 / 0 }}", "refuses messages of user: .*division by zero"),
        ({"a": "x", "b": "y"}, "has chat templates a, b and no default one"),
    ],
)
def test_a_template_that_cannot_hold_a_prompt_is_refused(template: Any, message: str) -> None:
    from readsim_hf.models.chat_template import PromptSettings, fixed_tokenizer

    tokenizer = chat_tokenizer(FAMILIES["qwen-3"], instruct=True)
    tokenizer.chat_template = template
    with pytest.raises(ConfigError, match=message):
        fixed_tokenizer(tokenizer, PromptSettings(), "some/model")


def test_a_system_prompt_may_act_without_being_written() -> None:
    """SmolLM 3 takes /no_think out of its system message and thinks no more."""
    from readsim_hf.models.chat_template import PromptSettings, chat_text, fixed_tokenizer

    own = chat_tokenizer(FAMILIES["qwen-3"], instruct=True)
    own.chat_template = (
        "{% if messages[0].role == 'system' and '/no_think' in messages[0].content %}"
        "{% set quiet = '<think>\n</think>\n' %}{% endif %}{{ messages[-1].content }}|{{ quiet }}"
    )
    made = fixed_tokenizer(own, PromptSettings(system_prompt="/no_think"), "x")
    assert chat_text(made, [{"role": "user", "content": "hi"}]) == "hi|<think>\n</think>\n"
    with pytest.raises(ConfigError, match="leaves out system_prompt"):
        fixed_tokenizer(own, PromptSettings(system_prompt="Be brief."), "x")


def test_a_student_whose_templates_have_names_takes_its_teachers(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    given = folders(tmp_path, "qwen-3")
    tokenizer = AutoTokenizer.from_pretrained(given["student"])
    tokenizer.chat_template = {"tool_use": "a", "rag": "b"}  # and no default
    tokenizer.save_pretrained(given["student"])
    from readsim_hf.models.pairs import load_pair

    with pytest.warns(UserWarning, match="student.* takes its teacher's chat template"):
        pair = load_pair(**given, teacher_precision="fp32")
    assert pair.tokenizer.chat_template == pair.teacher_tokenizer.chat_template


def test_a_template_of_tokens_that_the_student_lacks_is_refused(tmp_path: Path) -> None:
    from readsim_hf.models.loading import no_progress_bars
    from readsim_hf.models.pairs import load_pair
    from readsim_hf.models.tiny import tiny_model
    from tests.support.made_models import saved

    student = saved(tmp_path / "s", vocab_size=8)
    teacher = saved(
        tmp_path / "t", words=("<pad>", "<eos>", "<unk>", *"abcde", "turn"), vocab_size=9
    )
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(teacher)
    tokenizer.chat_template = "turn {{ messages[0].content }}"
    tokenizer.save_pretrained(teacher)
    with no_progress_bars():
        tiny_model("llama", 9, 1, 16, 0, eos_token_id=1).save_pretrained(teacher)
    with pytest.raises(ConfigError, match=r"tokens \['turn'\] that the student .* no embedding of"):
        load_pair(teacher=teacher, student=student)


def test_the_end_may_be_named_by_the_generation_config_alone(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from readsim_hf.models.loading import load_tokenizer

    source = chat_folder(tmp_path / "m", FAMILIES["mistral"], instruct=True)
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(source)
    assert AutoTokenizer.from_pretrained(source).eos_token is None
    assert load_tokenizer(source).eos_token == "</s>"


def test_equal_pairs_say_nothing() -> None:
    from readsim_hf.models.pairs import load_pair

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pair = load_pair("nano")
    assert np.array_equal(pair.tokenizer("1+1").input_ids, pair.teacher_tokenizer("1+1").input_ids)
