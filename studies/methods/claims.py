"""What is claimed of the methods on the two real pairs, written down before any of these runs.

Known beforehand: the one-hot baselines, `logit-kd` among them, in `studies.real_read` (nano, three seeds,
task math); one run of a few hundred tokens that showed that the command works. Cases are a pair and the
form that its probes ask for. Negative results stay: a claim that is expected to fail is one too.
"""

from studies.common.claim import Claim

SOURCE = "ours: methods beside each other, token for token"
ANSWER = ("nano.answer", "micro.answer")
RATIONALE = ("nano.rationale", "micro.rationale")

CLAIMS = (
    Claim(
        id="distributions-above-words",
        source=SOURCE,
        text="The teacher's distributions teach more than its words, where answers are asked for",
        statistic="utility of logit-kd minus resp-sft, same seed",
        unit="points",
        holds=ANSWER,
    ),
    Claim(
        id="own-text-above-words",
        source="GKD, DN-MOPD: on-policy text against SFT; its authors find SFT on teacher replies ahead",
        text="The student's own text, half of it, is no better than the teacher's words at equal tokens",
        statistic="utility of gkd minus logit-kd, same seed",
        unit="points",
        holds=(),
        fails=ANSWER,
    ),
    Claim(
        id="own-text-forgets-less",
        source="on-policy distillation forgets less (SDFT, OPSD)",
        text="What the student wrote makes it forget less than what the teacher wrote",
        statistic="forgetting of logit-kd minus that of opd, same seed",
        unit="points",
        holds=ANSWER,
    ),
    Claim(
        id="form-is-what-is-trained",
        source="ours: the form of an answer is a state of its own",
        text="Methods that train on reasoning win where reasoning is asked for",
        statistic="utility of cot-sft minus resp-sft, same seed",
        unit="points",
        holds=RATIONALE,
        fails=ANSWER,
    ),
    Claim(
        id="several-traces-above-one",
        source="DED, RFT",
        text="Right and different traces are worth more than one trace as it comes",
        statistic="utility of several-traces minus cot-sft, same seed",
        unit="points",
        holds=RATIONALE,
    ),
    Claim(
        id="informative-above-likeliest",
        source="RSR, rank-surprisal ratio",
        text="The reply of the smallest rank-surprisal ratio is worth more than the likeliest",
        statistic="utility of informative-fit minus likeliest-fit, same seed",
        unit="points",
        holds=(),
        fails=RATIONALE,
    ),
    Claim(
        id="self-shown-learns",
        source="OPSD, SDFT",
        text="A student that is shown the answer teaches itself something",
        statistic="utility of answer-shown minus that of the start, same seed",
        unit="points",
        holds=(),
        fails=RATIONALE,
    ),
    Claim(
        id="merged-below-mixed",
        source="DN-MOPD's table: merging above on-policy, below SFT",
        text="Merged specialists, trained on, are no better than the same tokens mixed",
        statistic="utility of merge minus resp-sft, same seed",
        unit="points",
        holds=(),
        fails=(*ANSWER, *RATIONALE),
    ),
    Claim(
        id="shares-apart",
        source="Open-MOPD: 20 % of the prompts were .9 % of the gradient",
        text="Prompt share and gradient share of a capability are apart by more than 5 points",
        statistic="mean absolute difference over capabilities under logit-kd, minus 5",
        unit="points",
        holds=ANSWER,
    ),
)
