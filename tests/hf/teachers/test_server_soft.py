"""Distributions by HTTP, as vLLM gives them: the same records as from the model itself."""

import dataclasses
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from readsim.errors import CapabilityMissingError, ConfigError
from tests.support.hf import NEEDS, char_pair
from tests.support.hf_runs import TOKENS, small
from tests.support.made_server import chat, served, serving
from tests.support.made_teachers import asking

pytestmark = pytest.mark.extra(*NEEDS, "openai")

SHARES = np.array([0.5, 0.5])


def by_http(pair: Any, url: str, **changes: Any) -> Any:
    """The pair with its teacher behind a server."""
    import torch

    from readsim_hf.teachers.connection import Server, ServerSettings

    server = Server(url, "m", ServerSettings(retries=0, concurrency=1))
    given = {"teacher": None, "server": server, "place": torch.device("cpu")}
    return dataclasses.replace(pair, **(given | changes))


def speaking(teacher: Any, k: int, lengths: Counter[int]) -> Any:
    """Answers as vLLM does for token ids, from a teacher that knows all probabilities.

    The token drawn is added where it is not among the k.
    """
    from readsim_hf.teachers.scoring import Passage
    from readsim_hf.teachers.teacher import Question

    asked: Counter[bytes] = Counter()

    def scored(ids: list[int]) -> Any:
        """All positions of a given text, by the model itself; the first has nothing before it."""
        (soft,) = teacher.score_many([Passage(ids[:1], ids[1:], (0, len(ids) - 1))])
        tops: list[Any] = [None]
        for own, likely, logp in zip(ids[1:], soft.ids.tolist(), soft.logp.tolist(), strict=True):
            found = enumerate(zip(likely, logp, strict=True))
            tops.append(
                {str(i): {"logprob": p, "rank": n + 1} for n, (i, p) in found if n < k or i == own}
            )
        choice = {"index": 0, "text": "x", "finish_reason": "length", "prompt_logprobs": tops}
        return {"model": "m", "choices": [choice]} | {
            "usage": {"prompt_tokens": len(ids), "completion_tokens": 1}
        }

    def answer(body: dict[str, Any]) -> Any:
        if "prompt_logprobs" in body:
            assert body["prompt_logprobs"] == k
            return scored(body["prompt"])
        assert body["return_tokens_as_token_ids"] is True
        assert body["logprobs"] == k
        ids = np.array(body["prompt"], dtype=np.int32)
        (record,) = teacher._generate([Question(ids, whole=False)], asked[ids.tobytes()])
        asked[ids.tobytes()] += 1
        reply = record.completion_ids.tolist()
        tops = [
            {
                f"token_id:{i}": p
                for n, (i, p) in enumerate(zip(likely, logp, strict=True))
                if n < k or i == drawn
            }
            for drawn, likely, logp in zip(
                reply, record.soft.ids.tolist(), record.soft.logp.tolist(), strict=True
            )
        ]
        lengths.update(map(len, tops))
        choice = {
            "index": 0,
            "text": teacher.text(reply),
            "finish_reason": "stop" if reply[-1] in teacher.ends else "length",
            "logprobs": {"tokens": [f"token_id:{i}" for i in reply], "top_logprobs": tops},
        }
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(reply)}
        return {"model": "m", "choices": [choice], "usage": usage}

    return answer


def test_distributions_by_http_are_those_of_the_model() -> None:
    settings = {"method": "logit-kd", "soft": {"kind": "topk", "k": 5}}
    here = small(**settings)
    here.components.teacher.begin = lambda prompts: None  # the order of one that answers meanwhile
    here.reset(1)
    outcome = here.run_interval(0, SHARES, TOKENS)
    other = small(method="logit-kd", soft={"kind": "topk", "k": 99})
    lengths: Counter[int] = Counter()
    with serving(answer=speaking(other.components.teacher, 5, lengths)) as fake:
        backend = small(pair=by_http(char_pair(), fake.url), **settings)
        backend.reset(1)
        result = backend.run_interval(0, SHARES, TOKENS)
    assert set(lengths) == {5, 6}
    assert result.token_usage == outcome.token_usage
    assert np.array_equal(result.profile, outcome.profile)
    for a, b in zip(backend.student.parameters, here.student.parameters, strict=True):
        assert np.allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-6)  # batches differ
    with pytest.raises(CapabilityMissingError, match="its teacher is a server"):
        backend.teacher_profile()
    assert backend.components.manifest["teacher"] == "server:m"


def test_a_served_teacher_scores_beside_one_that_is_here() -> None:
    """On the student's own text, each its own capability: as if both were here."""
    settings: dict[str, Any] = {"method": "mopd", "sampling": {"weights": "dn"}}
    settings["soft"] = {"kind": "topk", "k": 5}
    main, other = char_pair(), char_pair(teacher_seed=7)
    (of_math,) = other.teacher_sources
    here = small(pair=dataclasses.replace(main, others={"math": of_math}), **settings)
    here.reset(1)
    outcome = here.run_interval(0, SHARES, TOKENS)
    every = {"kind": "topk", "k": other.vocabulary}
    whole = small(pair=other, method="logit-kd", soft=every)
    with serving(answer=speaking(whole.components.teacher, 5, Counter())) as fake:
        (remote,) = by_http(other, fake.url).teacher_sources
        backend = small(pair=dataclasses.replace(main, others={"math": remote}), **settings)
        backend.reset(1)
        result = backend.run_interval(0, SHARES, TOKENS)
        assert fake.asked
        assert all("prompt_logprobs" in body for body in fake.asked)  # it wrote nothing
    assert result.token_usage == outcome.token_usage
    for a, b in zip(backend.student.parameters, here.student.parameters, strict=True):
        assert np.allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-6)


def test_the_students_own_text_is_scored_by_http_as_by_the_model() -> None:
    settings: dict[str, Any] = {"method": "", "signal": "resp", "objective": "rkl"}
    settings |= {"on_policy": 1.0, "soft": {"kind": "topk", "k": 5}}
    here = small(**settings)
    here.reset(1)
    outcome = here.run_interval(0, SHARES, TOKENS)
    other = small(method="logit-kd", soft={"kind": "topk", "k": 99})
    with serving(answer=speaking(other.components.teacher, 5, Counter())) as fake:
        backend = small(pair=by_http(char_pair(), fake.url), **settings)
        backend.reset(1)
        result = backend.run_interval(0, SHARES, TOKENS)
        assert all("prompt_logprobs" in body for body in fake.asked)
    assert result.token_usage == outcome.token_usage
    assert result.token_usage["student_rollout"] > 0
    for a, b in zip(backend.student.parameters, here.student.parameters, strict=True):
        assert np.allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-6)  # batches differ


def test_more_log_probabilities_than_a_server_gives_are_said_at_the_start() -> None:
    """One token is asked for before the run; vLLM refuses more than --max-logprobs."""
    from readsim_hf.check.served import check_limits
    from tests.support import made_server

    words = "Requested sample logprobs of 5, which is greater than max allowed: 2"
    refusal = (400, dict[str, str](), json.dumps({"error": {"message": words}}))
    made_server.FAULTS["too many"] = refusal
    settings = {"method": "logit-kd", "soft": {"kind": "topk", "k": 5}}
    with serving(lambda n, body: "too many") as fake:
        parts = small(pair=by_http(char_pair(), fake.url), **settings).components
        with pytest.raises(ConfigError, match=r"soft\.k = 5: .*--max-logprobs 5, or set soft\.k"):
            check_limits(parts)
        assert [body["max_tokens"] for body in fake.asked] == [1]
    other = small(method="logit-kd", soft={"kind": "topk", "k": 99})
    with serving(answer=speaking(other.components.teacher, 5, Counter())) as fake:
        parts = small(pair=by_http(char_pair(), fake.url), **settings).components
        check_limits(parts)
        assert len(fake.asked) == 1
        given = {"method": "", "signal": "resp", "objective": "fkl", "on_policy": 0.5}
        parts = small(pair=by_http(char_pair(), fake.url), **{**settings, **given}).components
        check_limits(parts)
        assert "prompt_logprobs" in fake.asked[-1]


def test_scores_that_are_none_are_said() -> None:
    from readsim_hf.teachers.reply import BadReplyError, read_prompt

    def body(tops: Any) -> str:
        return json.dumps({"choices": [{"finish_reason": "length", "prompt_logprobs": tops}]})

    inside = {"4": {"logprob": -0.1}, "2": {"logprob": -3.0}}
    beside = {**inside, "9": {"logprob": -7.0}}
    soft = read_prompt(body([None, inside, beside]), 1, [4, 4, 9], 2, 40)
    assert soft.ids.tolist() == [[4, 2]] * 2
    assert soft.said is not None
    np.testing.assert_allclose(soft.said, [-0.1, -7.0], rtol=1e-6)
    untold = read_prompt(body([None, inside, inside]), 1, [4, 4, 9], 2, 40)
    assert untold.said is not None
    np.testing.assert_allclose(untold.said, [-0.1, np.nan], rtol=1e-6)
    for tops, words in (
        ([None, inside], "2 positions, the prompt 3 tokens"),
        ([None, inside, {"4": {"logprob": -0.1}}], "2 finite ones"),
        ([None, inside, {"4": {}, "2": {"logprob": -1}}], "2 finite ones"),
        ([None, inside, {"44": {"logprob": -1}, "2": {"logprob": -1}}], "below 40"),
        ([None, inside, None], "2 finite ones"),
    ):
        with pytest.raises(BadReplyError, match=words):
            read_prompt(body(tops), 1, [4, 4, 9], 2, 40)
    with pytest.raises(ConfigError, match="a server with vLLM's completions"):
        read_prompt(body(None), 1, [4, 4, 9], 2, 40)


def test_the_token_drawn_beside_the_likeliest_goes_to_the_tail() -> None:
    from readsim_hf.teachers.reply import (
        BadReplyError,
        read_completion,
        reply_from_bytes,
        reply_to_bytes,
    )

    def body(*tops: dict[str, float], tokens: Any = None) -> str:
        names = tokens or ["token_id:9"] * len(tops)
        shown = {"tokens": names, "top_logprobs": list(tops)}
        choice = {"text": "x", "finish_reason": "length", "logprobs": shown}
        usage = {"prompt_tokens": 3, "completion_tokens": len(tops)}
        return json.dumps({"model": "m", "choices": [choice], "usage": usage})

    drawn = {"token_id:9": -6.0, "token_id:2": -0.5, "token_id:30": -1.5}
    inside = {"token_id:9": -0.25, "token_id:1": -2.5}
    read = read_completion(body(drawn, inside), 2, 40)
    for reply in (read, reply_from_bytes(reply_to_bytes(read))):
        assert reply.top is not None
        assert reply.ids is not None
        assert reply.ids.tolist() == [9, 9]
        assert reply.top.ids.tolist() == [[2, 30], [9, 1]]
        assert reply.top.logp.tolist() == [[-0.5, -1.5], [-0.25, -2.5]]
        assert reply.top.said is not None
        assert reply.top.said.tolist() == [-6.0, -0.25]
        assert (reply.text, reply.finish, reply.end) == ("x", "length", "cut")
    for bad, words in (
        (body({"token_id:9": -0.1}), "2 finite ones at least"),
        (body(inside | {"token_id:1": float("nan")}), "2 finite ones"),
        (body({"token_id:9": -0.1, "token_id:1": -0.1}), "add up to more than 1"),
        (body(inside, tokens=["token_id:40"]), "ids must be below 40"),
    ):
        with pytest.raises(BadReplyError, match=words):
            read_completion(bad, 2, 40)
    with pytest.raises(ConfigError, match="return_tokens_as_token_ids"):
        read_completion(body(inside, tokens=["x"]), 2, 40)
    with pytest.raises(ConfigError, match="distributions need a server with vLLM's"):
        read_completion(json.dumps(chat("7")), 2, 40)


@pytest.mark.parametrize(
    ("settings", "changes", "words"),
    [
        ({"method": "logit-kd"}, {"known": False, "vocabulary": None}, "teacher_tokenizer is None"),
        ({"method": "resp-kd"}, {"known": False, "vocabulary": None}, "use resp-sft or cot-sft"),
        ({"method": "logit-kd", "soft": {"kind": "full"}}, {}, "soft.kind is 'full'"),
        (
            {"method": "", "signal": "cot", "objective": "fkl", "on_policy": 0.5},
            {"known": False, "vocabulary": None},
            "teacher_tokenizer is None",
        ),
    ],
)
def test_what_a_server_cannot_give_is_refused(
    settings: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    pair = by_http(char_pair(), "http://127.0.0.1:9/v1", **changes)
    with pytest.raises(ConfigError, match=words):
        small(pair=pair, **({"soft": {"kind": "topk", "k": 5}} | settings))


def test_another_template_is_said_once() -> None:
    from readsim_hf.models.char_tokenizer import char_tokenizer

    with serving() as fake:
        teacher = served(fake.url, known=char_tokenizer())
        with pytest.warns(UserWarning, match=r"read 11 tokens where teacher_tokenizer .* makes 4"):
            teacher.ask([asking("3+4")])
        teacher.ask([asking("4+4")])
