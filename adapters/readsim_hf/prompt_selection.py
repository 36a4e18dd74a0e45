"""Which templates a run draws from: those that fit the context, in letters that the tokenizer has."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim.streams import generator
from readsim_hf.config import RunConfig
from readsim_hf.data_config import DataConfig
from readsim_hf.prompts.library import Library, Style
from readsim_hf.prompts.nano.library import nano_library
from readsim_hf.prompts.prompt import Prompt, Template
from readsim_hf.prompts.text import text_library
from readsim_hf.prompts.user import add_templates, load_templates
from readsim_hf.store.manifest import load_manifest
from readsim_hf.teachers.encoding import encode
from readsim_hf.teachers.signals import TeacherSignal

WRAPPING = 256  # tokens that a chat template adds at most
SPECIAL = 8  # tokens that are put around a text without one, at most


BACKGROUND = 400  # prompts per capability that tell scaffolds from what is filled in


def sample(library: Library) -> Iterator[str]:
    """Texts of about BACKGROUND prompts of each capability, the templates in turn."""
    for place, (_, templates) in enumerate(library.templates.items()):
        for index in range(max(BACKGROUND, 4 * len(templates))):
            rng = generator(0, "bootstrap", place, index)
            yield templates[index % len(templates)].make(rng).text


def library_of(
    data: DataConfig, name: Literal["nano", "text"], teacher: Tokenizer | None
) -> Library:
    """Our prompts of a run: those of the pair's library `name`, or of another one that `data` names, with
    the capabilities of `data` and its templates, which the teacher's tokenizer must know. With a teach store
    they are those that were taught, if `data` names none.

    Raises UnknownNameError for a capability that the library does not have.
    """
    taught = load_manifest(data.store).taught if data.store and not data.capabilities else None
    chosen = data.templates or ("none" if data.sources or taught == () else name)
    library = nano_library() if (name if chosen == "none" else chosen) == "nano" else text_library()
    if chosen == "none":
        library = Library("none", library.style, {})
    library = library.only(data.capabilities or taught or ())
    for path in data.template_files:
        added = load_templates(Path(path), library)
        if teacher is not None:
            for template in added:
                _check_letters(template, library.style, teacher)
        library = add_templates(library, added)
    return library


def _check_letters(template: Template, style: Style, tokenizer: Tokenizer) -> None:
    """ConfigError if the teacher cannot read a template's prompts letter by letter."""
    text = style.ask(template.make(generator(0, "items")), "answer")
    unknown_id = tokenizer.unk_token_id
    if unknown_id is not None and unknown_id in encode(tokenizer, text):
        raise ConfigError(
            f"template {template.id!r}: the teacher's tokenizer has no tokens for parts of {text!r}"
        )


def suffixes_of(config: RunConfig, style: Style, signal: TeacherSignal) -> tuple[str, ...]:
    """How prompts may end in this run. ConfigError for a form that the style lacks."""
    forms = dict.fromkeys(("answer", "rationale", signal.form, config.probes.form))
    if signal.form not in style.forms:
        raise ConfigError(
            f"signal {signal.name!r} has form = {signal.form!r}: prompts of style {style.name!r} do not ask "
            f"for it; use a signal of another form ({', '.join(style.forms)}), such as resp or cot"
        )
    return tuple(map(style.suffix, forms))


def leaves_room(
    config: RunConfig,
    context: int,
    counts: Sequence[Callable[[str], int]],
    suffixes: Sequence[str],
    prompt: Prompt,
    wrapping: int = WRAPPING,
) -> bool:
    """Whether a prompt, however it is asked, leaves room for a reply in `context` tokens.

    `counts` give the tokens of a prompt's text, one for each model that reads it; none of them adds more
    than `wrapping` to those of the text itself.
    """
    room = context - max(config.decoding.max_new_tokens, config.probes.max_new_tokens)
    texts = [prompt.text + suffix for suffix in suffixes]
    if max(len(text.encode()) for text in texts) + wrapping <= room:
        return True  # no token is shorter than a byte
    return all(count(text) <= room for text in texts for count in counts)


def wrapping_of(readers: Iterable[Tokenizer]) -> int:
    """Tokens that the tokenizers put around a text, at most."""
    chat = any(reader.chat_template is not None for reader in readers)
    return WRAPPING if chat else SPECIAL


def _count(tokenizer: Tokenizer, text: str) -> int:
    return len(encode(tokenizer, text))
