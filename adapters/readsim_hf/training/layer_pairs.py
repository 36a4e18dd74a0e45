"""Layers of a student beside those of its teacher, and the matrices between their widths that are learned."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.hidden import Hidden, state_losses
from readsim_hf.objectives.sums import terms_in
from readsim_hf.teachers.inference import reading_device
from readsim_hf.training.batch import Batch

_SEED = 0  # of the matrices' start: the same for all runs


def hidden_term(objective: Objective) -> Hidden | None:
    """The part of an objective that reads hidden states, if there is one."""
    return next((part for part in terms_in(objective) if isinstance(part, Hidden)), None)


class LayerPairs(nn.Module):
    """The loss of a `Hidden` on a batch; its parameters train, are kept and restored with the student's.

    Raises ConfigError for layers that the models do not have.
    """

    def __init__(self, term: Hidden, student: PreTrainedModel, teacher: PreTrainedModel) -> None:
        super().__init__()
        configs = [model.config.get_text_config(decoder=True) for model in (student, teacher)]
        self.kind = term.kind
        self.pairs = term.pairs(*(int(config.num_hidden_layers) for config in configs))
        self._teacher = [teacher]  # in a list: it is no part of what trains
        own, other = (int(config.hidden_size) for config in configs)
        rng = np.random.default_rng(_SEED)
        several = len(self.pairs) if own != other and self.kind != "cka" else 0
        self.maps = nn.ParameterList(_start(rng, other, own) for _ in range(several))

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        """Losses (N,) float32; `states` are the student's (B, T, D), of each layer from the embeddings on."""
        theirs = self._read(batch)
        device, losses = batch.rows.device, []
        for n, (one, other) in enumerate(self.pairs):
            s, t = (
                _at(of[layer], batch).to(device) for of, layer in ((states, one), (theirs, other))
            )
            s = s @ self.maps[n].T if len(self.maps) else s
            losses.append(state_losses(self.kind, s, t, batch.rows))
        return torch.stack(losses).mean(0)

    @torch.no_grad()
    def _read(self, batch: Batch) -> Sequence[Tensor]:
        (teacher,) = self._teacher
        place = reading_device(teacher)
        assert batch.attention_mask is not None  # packed rows are refused
        found: Sequence[Tensor] = teacher.base_model(
            input_ids=batch.input_ids.to(place),
            attention_mask=batch.attention_mask.to(place),
            position_ids=batch.position_ids.to(place),
            use_cache=False,
            output_hidden_states=True,
        ).hidden_states
        return found


def _at(states: Tensor, batch: Batch) -> Tensor:
    """(N, D) float32 of the states (B, T, D) at the supervised positions, on the device of the states: a
    teacher's layers may lie on several."""
    place = states.device
    return states[batch.rows.to(place), batch.columns.to(place)].float()


def _start(rng: np.random.Generator, rows: int, columns: int) -> nn.Parameter:
    """A matrix with orthonormal rows or columns, whichever are fewer."""
    made = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))[0]
    made = made if rows >= columns else made.T
    return nn.Parameter(torch.tensor(made, dtype=torch.float32))
