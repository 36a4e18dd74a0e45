"""The nano pair: a teacher and a starting student, trained here from nothing.

`python -m studies nano` writes `readsim_hf/models/nano/{teacher,student}`, each when its training is
done: an interrupted run leaves the old weights. One thread; the same machine and versions give the
same bytes. Seed 0 made the weights that are shipped:

    teacher   4 layers x 128   865,792 parameters   3.5 MB   9,500 steps, 12M tokens   21 minutes
    student   2 layers x 64    113,152 parameters   0.5 MB   5,000 steps, 5M tokens     2 minutes

(the teacher on a busy machine). One question in sixteen, by its key, is never trained on. Exact match of
greedy replies on 200 such questions a capability, answer only / rationale and answer:

                    teacher        student
    general        1.00 1.00      .41  .36
    steerability    .86  .83      .45  .27
    reasoning       .79  .80      .39  .39
    math            .97  .99      .33  .52
    code            .99  .90      .60  .32
    tool_use       1.00 1.00      .70  .47
    long_context    .81  .84      .24  .29
    multilingual   1.00 1.00      .37  .22

The teacher is near 1 except in putting a schema's fields in order (.38), the second of an order (.52),
following links (.65), and finding a key by its value (.28, which is guessing).

`python -m studies nano.spillover`: 150 AdamW steps from the student on gold answers of one capability,
or of all alike. Change of the eight exact matches (answer only, 200 questions, one seed):

                    gen   ste   rea   mat   cod   too   lon   mul
    general        +.45  +.00  +.02  -.08  -.05  -.01  +.00  +.02
    steerability   -.04  +.29  -.02  -.01  -.04  -.05  +.02  -.03
    reasoning      -.03  -.03  +.09  -.04  -.09  -.07  +.00  -.01
    math           -.13  -.06  -.05  +.24  -.06  -.10  -.04  -.04
    code           -.03  -.01  +.01  -.04  +.21  -.04  +.03  -.01
    tool_use       +.00  -.02  -.03  +.00  -.03  +.27  +.01  -.03
    long_context   -.08  -.03  -.01  -.05  -.07  -.05  +.06  -.05
    multilingual   +.00  +.02  +.01  +.01  -.03  -.04  -.05  +.55
    uniform        +.20  +.20  +.04  +.08  +.08  +.24  +.03  +.39

Harm grows with the number of steps: after 600 on math alone the row is -.35 -.37 -.07 +.37 -.41 -.69
-.12 -.42, and 600 on long_context bring it +.38 (100 questions). A student whose learning rate was
lowered to the end gains almost nothing from 150 uniform steps, which is why this one's was not.
"""
