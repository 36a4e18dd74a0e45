"""The micro pair: a second one that is trained here from nothing, unlike nano in build and in tokens.

`python -m studies micro` writes `readsim_hf/models/micro/{teacher,student}`, each when its training is
done: GPT-NeoX (attention and inner layer side by side, LayerNorm, half of each head rotated), 256 byte
pairs of letters learned from the questions, prompts and held-out rule of nano. Seed 0 made what is shipped:

    teacher   4 layers x 224   2,477,888 parameters   5.0 MB (fp16)   9,000 steps, 6.6M tokens   28 minutes
    student   2 layers x 112     332,864 parameters   1.3 MB          5,000 steps, 3.1M tokens    4 minutes

(minutes of one core). Exact match of greedy replies on 200 held-out questions a capability, answer only /
rationale and answer:

                    teacher        student
    general        1.00 1.00      .55  .55
    steerability    .82  .78      .22  .15
    reasoning       .77  .79      .39  .36
    math            .86 1.00      .14  .24
    code            .92  .91      .19  .11
    tool_use       1.00 1.00      .86  .58
    long_context    .80  .80      .27  .31
    multilingual   1.00 1.00      .48  .31

`python -m studies nano.spillover --pair micro`, as for nano (`studies.nano`): 150 steps on one capability
harm the others more than in nano (math and long_context cost tool_use and multilingual 23 points), and
math itself hardly moves in so few:

                    gen   ste   rea   mat   cod   too   lon   mul
    general        +.42  -.02  -.02  -.03  -.04  +.02  -.04  -.02
    steerability   -.06  +.10  -.02  -.01  -.01  -.14  -.03  -.12
    reasoning      -.09  -.04  +.05  -.03  -.06  -.05  -.02  -.10
    math           -.09  -.05  -.04  +.03  -.09  -.24  -.02  -.24
    code           -.06  -.04  +.01  -.05  +.22  +.00  -.07  -.10
    tool_use       -.02  +.01  -.03  -.04  +.00  +.14  -.01  -.06
    long_context   -.08  -.05  -.05  -.05  -.07  -.23  +.30  -.23
    multilingual   +.01  -.06  +.01  -.03  -.05  -.05  -.03  +.46
    uniform        +.29  +.06  +.06  -.01  +.08  +.09  +.04  +.25
"""
