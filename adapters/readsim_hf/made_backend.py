"""Real distillation as a backend, from settings."""

from pathlib import Path
from typing import Any

from readsim.errors import ConfigError
from readsim_hf.backend import HFBackend
from readsim_hf.components import build_components, pair_of
from readsim_hf.config import RunConfig, resolve_config
from readsim_hf.probes.sandbox import AllowCode


def make_backend(
    config: RunConfig | Path | str | None = None,
    *,
    allow_code: AllowCode = False,
    **settings: Any,
) -> HFBackend:
    """Real distillation as a backend: `readsim.make_env(backend=make_backend(...), task="average")`.

    config    a RunConfig, a TOML file of settings, or the name of a shipped one; None: the pair nano
    settings  fields of RunConfig, which override those of a file: `budget="20k"`, `method="logit-kd"`,
              `pair="smollm2"` or `pair={"teacher": ..., "student": ...}`
    allow_code   lets benchmarks run code that the model writes (`readsim_hf.probes.sandbox`); a file
              cannot say so

    Loads the models. Raises ConfigError, which names the field of a wrong setting.
    """
    if isinstance(config, RunConfig):
        if settings or allow_code:
            given = sorted([*settings, *(["allow_code"] if allow_code else [])])
            raise ConfigError(f"settings {given}: put them into the RunConfig")
        chosen = config
    else:
        if isinstance(settings.get("pair"), str):
            settings["pair"] = {"name": settings["pair"]}
        file = None if config is None else Path(config)
        chosen = resolve_config(file, settings, allow_code=allow_code)
    parts = build_components(chosen, pair_of(chosen))
    return HFBackend(parts, chosen.budget, keep_best=chosen.keep_best)
