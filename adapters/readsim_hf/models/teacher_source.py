"""What stands behind a teacher's source: a model loaded here, or a server."""

from dataclasses import dataclass

from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim_hf.models.loading import DeviceMap, load_model, load_tokenizer
from readsim_hf.models.tokens import check_same_tokenizer, same_tokenizer, shared_vocabulary
from readsim_hf.teachers.connection import Server, ServerSettings, is_server


@dataclass(frozen=True, eq=False)
class TeacherSource:
    """One teacher.

    model       None where `server` answers
    tokenizer   its own; the student's stands in for a server's that is not `known`
    vocabulary  V, the ids that it shares with the student; None where only text can pass
    """

    source: str
    model: PreTrainedModel | None
    server: Server | None
    tokenizer: Tokenizer
    known: bool
    vocabulary: int | None

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
        check_same_tokenizer(self.tokenizer, student)
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
) -> TeacherSource:
    """The teacher at `source`, for a student with that tokenizer.

    served, served_tokenizer   the name of a server's model, and where its tokenizer is known

    ConfigError for what cannot be loaded or reached.
    """
    if not is_server(source):
        model = load_model(source, precision=precision, device=device, device_map=device_map)
        model.requires_grad_(False)
        own = load_tokenizer(source)
        same = same_tokenizer(own, tokenizer)
        size = shared_vocabulary(model.config, student.config, tokenizer) if same else None
        return TeacherSource(source, model, None, own, True, size)
    server = Server(source, served, settings or ServerSettings())
    if served_tokenizer is None:
        return TeacherSource(server.model, None, server, tokenizer, False, None)
    own = load_tokenizer(served_tokenizer)
    same = same_tokenizer(own, tokenizer)
    size = shared_vocabulary(student.config, student.config, tokenizer) if same else None
    return TeacherSource(server.model, None, server, own, True, size)
