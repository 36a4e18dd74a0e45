"""Whether teacher and student read the same tokens: token ids and logits can be shared only then."""

from transformers import PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError

TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "  Two  spaces,\ttabs\nand\r\n\r\nlines ",
    "17+25=42, 3.14159, 1,000,000 and 2026-01-31",
    "def f(x: int) -> str:\n    return f'{x!r}' # done",
    '{"name": "get_weather", "arguments": {"city": "Zürich"}}',
    "¿Cuál es la capital de España? Où est l'été ?",
    "Быстрая коричневая лиса. Πόσο κάνει;",
    "你好,世界。東京は日本の首都です。안녕하세요",
    "مرحبا بالعالم नमस्ते दुनिया สวัสดี",
    "naïve cafe\u0301 ﬁn №5 🙂👩‍💻",
)


def first_difference(teacher: Tokenizer, student: Tokenizer) -> str | None:
    """The first thing in which two tokenizers' ids differ, in words, or None.

    Compared: each token's id up to the smaller vocabulary's last id, and the encodings of probe strings in
    several scripts. Which token starts or ends a text may differ, as between a base model and the instruct
    model made of it: the student takes those of its teacher.
    """
    return _vocabulary_difference(teacher.get_vocab(), student.get_vocab()) or _encoding_difference(
        teacher, student
    )


def _vocabulary_difference(teacher: dict[str, int], student: dict[str, int]) -> str | None:
    shared = min(max(teacher.values(), default=-1), max(student.values(), default=-1)) + 1
    of_teacher = {i: token for token, i in teacher.items() if i < shared}
    of_student = {i: token for token, i in student.items() if i < shared}
    for i in range(shared):
        ours, theirs = of_teacher.get(i), of_student.get(i)
        if ours != theirs:
            return f"token {i} is {ours!r} for the teacher and {theirs!r} for the student"
    return None


def _encoding_difference(teacher: Tokenizer, student: Tokenizer) -> str | None:
    for text in TEXTS:
        ours, theirs = (t(text, add_special_tokens=False)["input_ids"] for t in (teacher, student))
        if ours != theirs:
            return f"the teacher encodes {text!r} as {ours}, the student as {theirs}"
    return None


def same_tokenizer(teacher: Tokenizer, student: Tokenizer) -> bool:
    """Whether token ids of one mean the same to the other; else text has to be encoded again."""
    return first_difference(teacher, student) is None


def check_same_tokenizer(teacher: Tokenizer, student: Tokenizer, who: str = "teacher") -> None:
    """ConfigError, with the first difference, unless the tokenizers are the same; `who` is the teacher."""
    difference = first_difference(teacher, student)
    if difference is not None:
        raise ConfigError(
            f"{who} and student have different tokenizers: {difference}; the teacher's "
            "distributions need one tokenizer, but without them (answers and rationales as text) it "
            "may differ, and so it may with the methods uld and gold (objectives uld, shared and span)"
        )


def shared_vocabulary(
    teacher: PreTrainedConfig, student: PreTrainedConfig, tokenizer: Tokenizer
) -> int:
    """V, the columns that the logits of both models share: cut both to [..., :V].

    The smaller `vocab_size` of the two: models of one family pad their output layer to different sizes
    (Qwen2.5: 151936 and 152064 columns for 151665 tokens). ConfigError where that leaves out a token of
    the tokenizer; special tokens other than the end may lie beyond (Gemma 3's image token in its text
    models does), since text does not become them.
    """
    sizes = {"teacher": vocabulary_size(teacher), "student": vocabulary_size(student)}
    shared = min(sizes.values())
    added = tokenizer.added_tokens_decoder
    beyond = {i for i, token in added.items() if token.special and i != tokenizer.eos_token_id}
    tokens = max(set(tokenizer.get_vocab().values()) - beyond, default=-1) + 1
    if shared < tokens:
        smaller = min(sizes, key=lambda role: sizes[role])
        raise ConfigError(
            f"the {smaller}'s vocab_size is {shared}, but the tokenizer has ids up to {tokens - 1}: "
            "this tokenizer does not belong to that model"
        )
    return shared


_LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")


def stated_length(config: PreTrainedConfig) -> int | None:
    """Positions that a model reads, as its configuration states them; None where it states none (models
    with a recurrent state, such as Mamba, and some with ALiBi)."""
    text = config.get_text_config(decoder=True)
    found = [length for name in _LENGTHS if isinstance(length := getattr(text, name, None), int)]
    return next((length for length in found if length > 0), None)


def vocabulary_size(config: PreTrainedConfig) -> int:
    """Columns of a model's logits."""
    return int(config.get_text_config(decoder=True).vocab_size)
