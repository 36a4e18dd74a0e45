"""The catalogue of methods: names, rows that start, the page and the figure in the documents."""

from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from readsim.envs.ledger import KINDS
from readsim.errors import ConfigError, UnknownNameError
from readsim_hf.cli.models import models
from readsim_hf.methods.method import FAMILIES, Method, objective_text
from readsim_hf.methods.page import FIGURE, PAGE, in_families, methods_map, methods_page
from readsim_hf.methods.table import METHODS, NEAREST, check_methods, method_name
from tests.support.hf import NEEDS
from tests.support.paths import ROOT


def test_rows_are_whole() -> None:
    check_methods()
    assert set(in_families()) == set(FAMILIES)  # no family without a method
    for name, method in METHODS.items():
        if not method.command:
            assert method_name(name) == name
            assert {method_name(other) for other in method.names} <= {name}
        assert set(method.charges) <= set(KINDS)
        assert method.about
        assert "|" not in f"{method.about}{method.names}{method.needs}"  # they stand in a table


def test_a_name_of_two_rows_and_an_unknown_family_are_refused() -> None:
    one = Method("teacher's words", "x", "resp", names=("SFT",))
    with pytest.raises(ConfigError, match=r"'a' and 'b' share the name 'sft'"):
        check_methods({"a": one, "b": one})
    with pytest.raises(UnknownNameError, match=r"family of method a 'words'"):
        check_methods({"a": Method("words", "x", "resp")})


def test_papers_names_in_any_case() -> None:
    assert method_name("SeqKD") == method_name("seq-kd") == "resp-sft"
    for usual in ("SFT", "sequence-kd", "seq_kd", "sequence-level KD"):
        assert method_name(usual) == "resp-sft"
    for usual in ("kd", "hinton", "hinton-kd", "vanilla-kd", "word-level-kd", "fkl"):
        assert method_name(usual) == "logit-kd"
    for usual in ("reverse-kl", "rkl", "on-policy-kd", "On-Policy Distillation"):
        assert method_name(usual) == "opd"
    assert method_name("generalized-knowledge-distillation") == "gkd"
    assert method_name("Distilling Step-by-Step") == "step-by-step"
    with pytest.raises(UnknownNameError, match=r"unknown method 'gdk'.*gkd"):
        method_name("gdk")
    for paper, near in NEAREST.items():
        with pytest.raises(
            ConfigError, match=rf"method '{paper.lower()}' is not there .*(method|object)"
        ):
            method_name(paper.lower())
        assert near.count(".") == 0  # one sentence
    assert method_name("CKA") == "cka"
    with pytest.raises(ConfigError, match="a command of its own: readsim merge"):
        method_name("Task Arithmetic")


def test_page_and_figure_are_those_of_the_table() -> None:
    docs = ROOT / "docs"
    advice = "write them anew: readsim models methods --write docs"
    assert (docs / PAGE).read_text(encoding="utf-8") == methods_page(), advice
    assert (docs / FIGURE).read_text(encoding="utf-8") == methods_map(), advice
    drawn = {
        (node.text or "").partition(" (")[0]
        for node in ElementTree.fromstring(methods_map()).iter()
    }
    assert drawn >= {*METHODS, *FAMILIES}


@pytest.mark.parametrize("width", [80, 100])
def test_the_command_lists_every_method_within_the_width(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = CliRunner().invoke(models, ["methods"]).output.splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    names = [line.split("│")[1].strip() for line in lines if "│" in line]
    assert [name for name in names if name] == [
        n for of_it in in_families().values() for n in of_it
    ]
    start = next(n for n, line in enumerate(lines) if line.startswith("│ gkd "))
    gkd = " ".join(line.split("│")[2].strip() for line in lines[start : start + 5] if "│" in line)
    assert " GKD)" in gkd
    assert "needs a teacher's distributions" in gkd
    assert "student_rollout" in gkd


@pytest.mark.extra(*NEEDS)
def test_a_method_is_its_signal_and_objective() -> None:
    """As the page writes them, for whoever wants other settings of the objective."""
    from readsim_hf.config import RunConfig
    from readsim_hf.supervision import supervision

    for name, method in METHODS.items():
        if not method.command:
            by_hand = {"signal": method.signal, "objective": objective_text(method)}
            more = {"on_policy": method.on_policy, "sampling": dict(method.sampling)}
            one, other = RunConfig.of({"method": name}), RunConfig.of({**by_hand, **more})
            assert supervision(one) == supervision(other), name


@pytest.mark.extra(*NEEDS)
def test_help_and_guide_name_every_signal_and_objective() -> None:
    from readsim_hf.cli.spoken_names import OBJECTIVE_NAMES, SIGNAL_NAMES
    from readsim_hf.objectives.table import SIGNALS, TABLE

    assert sorted(OBJECTIVE_NAMES.split(", ")) == sorted(TABLE)
    assert SIGNAL_NAMES.split(", ") == sorted(SIGNALS)
    guide = (ROOT / "docs" / "guides" / "distillation.md").read_text(encoding="utf-8")
    rows = " ".join(line.split("|")[1] for line in guide.splitlines() if line.startswith("| `"))
    assert all(f"`{name}`" in rows for name in TABLE)


@pytest.mark.extra(*NEEDS)
def test_the_page_of_combinations_is_what_the_code_says() -> None:
    from readsim_hf.combinations import COMBINED, REFUSED, answer, combinations_page
    from readsim_hf.objectives.table import TABLE

    page = (ROOT / "docs" / COMBINED).read_text(encoding="utf-8")
    assert page == combinations_page(), "write it anew: readsim models methods --write docs"
    for table in REFUSED:
        assert answer(table), table  # each is refused, with something to do instead
    first, _ = page.split("## Methods")
    assert all(first.count(f"\n| `{name}` |") == 1 for name in TABLE)


@pytest.mark.extra(*NEEDS)
def test_each_row_starts_by_its_own_and_its_papers_names() -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.supervision import supervision

    for name, method in METHODS.items():
        for each in (name, *method.names) if not method.command else ():
            config = RunConfig.of({"method": each.upper()})
            assert config.method == name
            assert config.on_policy == method.on_policy
            brought = {name: getattr(config.sampling, name) for name in method.sampling}
            assert brought == method.sampling
            signal, _, _ = supervision(config)
            assert signal.name == method.signal


@pytest.mark.extra(*NEEDS)
def test_a_method_brings_its_sampling_and_takes_it_away() -> None:
    """DN-MOPD (2609.35347) and Open-MOPD (2608.19098) are MOPD with weights of their own, by any name."""
    from readsim_hf.config import RunConfig
    from readsim_hf.supervision import supervision

    weights = {"MOPD": "label", "DN-MOPD": "dn", "Open MOPD": "gradient-share"}
    for name, wanted in weights.items():
        assert RunConfig.of({"method": name}).sampling.weights == wanted
        for other, after in weights.items():
            later = RunConfig.of({"method": name}, {"method": other})
            assert later == RunConfig.of({"method": other})
            assert later.sampling.weights == after
    left = {"signal": "cot", "objective": "mopd"}
    assert RunConfig.of({"method": "dn-mopd"}, left).sampling.weights == "label"
    kept = RunConfig.of({"sampling": {"samples": 3}, "method": "dn-mopd"}, {"method": "mopd"})
    assert (kept.sampling.samples, kept.sampling.weights) == (3, "label")
    for config in (
        RunConfig.of({"method": "dn-mopd", "sampling": {"weights": "label"}}),
        RunConfig(method="open-mopd", on_policy=1.0),
    ):
        with pytest.raises(ConfigError, match=r"is 'mopd' with '.*'; leave it out, or use"):
            supervision(config)
    with pytest.raises(ConfigError, match=r"sampling"):
        RunConfig.of({"sampling": 3}, {"method": "dn-mopd"})


@pytest.mark.extra(*NEEDS)
def test_a_share_that_is_named_goes_before_the_methods() -> None:
    from readsim_hf.config import RunConfig

    assert RunConfig.of({"method": "gkd", "on_policy": 0.25}).on_policy == 0.25
    assert RunConfig.of({"on_policy": 0.25}, {"method": "GKD"}).on_policy == 0.5
    assert RunConfig.of({"method": "GKD"}, {"on_policy": 0.1}).on_policy == 0.1
    assert RunConfig.of({"on_policy": 0.25}, {"method": "logit-kd"}).on_policy == 0.25


@pytest.mark.extra(*NEEDS)
def test_what_a_method_may_stand_beside() -> None:
    """Whatever is refused is said in a line, and the table says of some what their papers need."""
    from readsim_hf.beside import BESIDE, refusal

    said = {
        (name, column): refusal(name, column)
        for name in ("cot-sft", "logit-kd", "open-mopd", "pkd", "gold", "corrected")
        for column in BESIDE
    }
    refused = {case for case, text in said.items() if text}
    assert all("\n" not in text for text in said.values())
    tokens, store = "a teacher with other tokens", "a store of the teacher's replies"
    several, processes = "a teacher for each capability", "several processes"
    assert refused == {
        ("logit-kd", tokens),
        *(("open-mopd", c) for c in ("LoRA with dropout", processes, tokens, store)),
        *(("pkd", c) for c in ("packing", processes, several, tokens, store)),
        *(("gold", c) for c in (several, store)),
        ("corrected", store),
    }
