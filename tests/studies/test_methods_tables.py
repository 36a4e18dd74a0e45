"""What `python -m studies methods --read-only` shows of tables that were written before."""

from pathlib import Path

import pandas as pd
import pytest

from readsim.errors import ConfigError
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)


def test_tables_are_shown_again_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from studies.methods.command import main

    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(ConfigError, match=r"runs\.csv: there is no such table"):
        main(read_only=True, out=tmp_path)
    amounts = {"tokens": 100, "teacher_tokens": 50, "rollout_tokens": 0, "seconds": 1.0}
    rows = [
        {"case": "nano.answer", "method": method, "seed": seed, "utility": 40.0 + up + seed}
        | {"start": 10.0, "forgetting": 0.0, **amounts}
        for method, up in (("resp-sft", 0.0), ("gkd", -2.0))
        for seed in (0, 1)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    shares = {"prompts": 1.0, "tokens": 1.0, "loss": 1.0, "gradient": 1.0}
    one = [{"case": "nano.answer", "method": "gkd", "seed": 0, "source": "math", **shares}]
    pd.DataFrame(one).to_csv(tmp_path / "shares.csv", index=False)
    main(read_only=True, out=tmp_path)
    told = " ".join(capsys.readouterr().out.split())
    assert "-2.00 ± 0.00" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.csv", "shares.csv"]
