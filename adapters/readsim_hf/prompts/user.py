"""Templates of users: a JSONL file, one template a line, checked before anything is trained on it.

    {"id": "math/apples", "capability": "math",
     "text": "{who} has {n} apples and eats {k}. How many are left?",
     "slots": {"who": {"type": "name"}, "n": {"type": "integer", "low": 10, "high": 99},
               "k": {"type": "integer", "low": 1, "high": 9}},
     "expression": "n - k", "rationale": "{n} - {k} = {answer}.", "checker": "number",
     "factors": {"operations": 1}}

(here on several lines; in the file on one). Fields:

id           `capability/name`, unique in the file and in the library
capability   one of the library's
text         what is asked; `{name}` is a slot, all other braces stand for themselves
slots        name -> slot, each of them in the text:
             {"type": "integer", "low": 1, "high": 9}                   a whole number, both included
             {"type": "choice", "values": ["red", "blue"]}              one of texts or whole numbers
             {"type": "sample", "pool": [...], "least": 2, "most": 4}   several, shown with commas
             {"type": "name"}                                           a first name
answer       the gold answer, with slots; or
expression   arithmetic over slots of whole numbers: + - * // % **, comparisons, `a if c else b`, abs,
             min, max; its value, a whole number, is the gold answer
rationale    optional; slots, and {answer}
checker      name of a rule in `prompts.checkers` (exact); without a gold answer it has to be one that
             needs none
expect       what the checker needs beyond the answer; `{name}` of a slot is filled in its texts
factors      control factors of the capability: a number, a slot of whole numbers, or a sample (its
             size); those not given are 0
language     code of the language (en)
"""

from collections.abc import Iterable

import numpy as np

from readsim.errors import ConfigError, unknown
from readsim.files import AnyPath, json_lines
from readsim_hf.prompts.library import Library
from readsim_hf.prompts.prompt import Template
from readsim_hf.prompts.user_template import read_template


def load_templates(path: AnyPath, library: Library) -> tuple[Template, ...]:
    """The templates of a JSONL file, to be added to `library`. Lines without text are passed over.

    Raises ConfigError, which starts with the file and the line.
    """
    factors = {name: _factor_names(library, name) for name in library.capabilities}
    seen = {template.id: "the library" for all_ in library.templates.values() for template in all_}
    out: list[Template] = []
    for number, table in json_lines(path):
        try:
            template = read_template(table, factors)
            if template.id in seen:
                raise ConfigError(f"id = {template.id!r} is also in {seen[template.id]}")
        except ConfigError as error:
            raise ConfigError(f"{path}, line {number}: {error}") from error
        seen[template.id] = f"line {number}"
        out.append(template)
    if not out:
        raise ConfigError(f"{path}: no templates; accepted: one JSON object a line")
    return tuple(out)


def add_templates(library: Library, templates: Iterable[Template]) -> Library:
    """A library with the templates at the end of their capabilities.

    Raises UnknownNameError for a capability that the library does not have, ConfigError for an id
    that is there already.
    """
    mine = {name: list(all_) for name, all_ in library.templates.items()}
    seen = {template.id for all_ in mine.values() for template in all_}
    for template in templates:
        if template.capability not in mine:
            raise unknown("capability", template.capability, mine)
        if template.id in seen:
            raise ConfigError(f"id = {template.id!r} is in the library {library.name!r} already")
        seen.add(template.id)
        mine[template.capability].append(template)
    return Library(library.name, library.style, {name: tuple(all_) for name, all_ in mine.items()})


def _factor_names(library: Library, capability: str) -> tuple[str, ...]:
    """Names of the control factors, as the templates of the capability give them."""
    rng = np.random.Generator(np.random.PCG64(0))
    made = [template.make(rng) for template in library.templates[capability][:1]]
    return tuple(name for prompt in made for name in prompt.factors)
