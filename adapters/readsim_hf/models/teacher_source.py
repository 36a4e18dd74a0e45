"""What stands behind a teacher's source: a model loaded here, or a server."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim_hf.models.chat_template import PromptSettings, fixed_tokenizer
from readsim_hf.models.loading import (
    DeviceMap,
    generation_config_of,
    load_model,
    load_tokenizer,
)
from readsim_hf.models.tokens import check_same_tokenizer, same_tokenizer, shared_vocabulary
from readsim_hf.teachers.connection import Server, ServerSettings, is_server
from readsim_hf.teachers.encoding import end_ids


@dataclass(frozen=True, eq=False)
class TeacherSource:
    """One teacher.

    model       None where `server` answers
    tokenizer   its own; the student's stands in for a server's that is not `known`
    vocabulary  V, the ids that it shares with the student; None where only text can pass
    ends        what ends its replies, where that is known
    """

    source: str
    model: PreTrainedModel | None
    server: Server | None
    tokenizer: Tokenizer
    known: bool
    vocabulary: int | None
    ends: tuple[int, ...] = ()

    def shared_vocabulary(self, student: Tokenizer) -> int:
        """V, for objectives that need distributions; ConfigError where it is None."""
        if self.vocabulary is not None:
            return self.vocabulary
        if not self.known:
            raise ConfigError(
                f"teacher_tokenizer is None: distributions of {self.source!r} need the tokenizer that it "
                "shares with the student, and a server with vLLM's completions; without them use "
                "resp-sft or cot-sft"
            )
        check_same_tokenizer(self.tokenizer, student, f"teacher {self.source!r}")
        raise ConfigError(f"{self.source!r} was loaded without a shared vocabulary")


def load_teacher_source(
    source: str,
    student: PreTrainedModel,
    tokenizer: Tokenizer,
    *,
    precision: str,
    device: str,
    device_map: DeviceMap | None = None,
    served: str | None = None,
    served_tokenizer: str | None = None,
    settings: ServerSettings | None = None,
    prompts: PromptSettings | None = None,
    training: int = 0,
) -> TeacherSource:
    """The teacher at `source`, for a student with that tokenizer.

    served, served_tokenizer   the name of a server's model, and where its tokenizer is known
    prompts     what stands around a prompt; a server's own template is its matter
    training    GPUs, from the first, on which processes train

    ConfigError for what cannot be loaded or reached.
    """
    prompts = prompts or PromptSettings()
    if not is_server(source):
        there: dict[str, Any] = {"device": device, "device_map": device_map, "training": training}
        model = load_model(source, precision=precision, **there)
        model.requires_grad_(False)
        own = fixed_tokenizer(load_tokenizer(source), prompts, source)
        same = same_tokenizer(own, tokenizer)
        size = shared_vocabulary(model.config, student.config, tokenizer) if same else None
        return TeacherSource(source, model, None, own, True, size, end_ids(model, own))
    server = Server(source, served, settings or ServerSettings())
    if served_tokenizer is None:
        return TeacherSource(server.model, None, server, tokenizer, False, None)
    own = fixed_tokenizer(load_tokenizer(served_tokenizer), prompts, served_tokenizer)
    same = same_tokenizer(own, tokenizer)
    size = shared_vocabulary(student.config, student.config, tokenizer) if same else None
    ends = end_ids(generation_config_of(served_tokenizer), own)
    return TeacherSource(server.model, None, server, own, True, size, ends)
