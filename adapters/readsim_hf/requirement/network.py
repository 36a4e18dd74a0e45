"""r = softmax(MLP(Enc(card))): a small Transformer over the words of a card, two layers, softmax (R20)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from readsim_hf.requirement.text import BUCKETS, LENGTH, token_ids

WIDTH, LAYERS, HEADS = 64, 2, 4


class CardEncoder(nn.Module):
    """A Transformer encoder over hashed words, averaged over the words of a card: (n, WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, WIDTH, padding_idx=0)
        self.places = nn.Embedding(LENGTH, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.width = WIDTH

    def read(self, texts: Sequence[str]) -> Tensor:
        """What `forward` takes: ids (n, L), 0 is padding."""
        return torch.from_numpy(token_ids(texts))

    def forward(self, ids: Tensor) -> Tensor:
        shown = ids != 0
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        x = self.layers(x, src_key_padding_mask=~shown)
        kept = shown[..., None].to(x.dtype)
        out: Tensor = (x * kept).sum(1) / kept.sum(1).clamp(min=1.0)
        return out


class SentenceFeatures(nn.Module):
    """Frozen features of a pretrained encoder of sentences, averaged over tokens: (n, width).

    source   a Hugging Face id or a folder with safetensors weights, such as a MiniLM
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        from readsim_hf.models.loading import load_encoder

        model, self._tokenizer = load_encoder(source)
        self._model = [model]  # in a list: its weights are not this module's to train or save
        self.width = int(model.config.hidden_size)

    @torch.no_grad()
    def read(self, texts: Sequence[str]) -> Tensor:
        """The features themselves: nothing is left to learn but the head."""
        model: Any = self._model[0]
        batch = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].to(hidden.dtype)
        out: Tensor = (hidden * mask).sum(1) / mask.sum(1)
        return out

    def forward(self, features: Tensor) -> Tensor:
        return features


class Identifier(nn.Module):
    """log r (n, K) of cards that `encoder.read` has read."""

    def __init__(self, encoder: CardEncoder | SentenceFeatures, capabilities: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.Linear(encoder.width, WIDTH), nn.GELU(), nn.Linear(WIDTH, capabilities)
        )

    def forward(self, cards: Tensor) -> Tensor:
        return torch.log_softmax(self.head(self.encoder(cards)), dim=-1)

    @torch.no_grad()
    def requirements(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """r of each text: (n, K), rows sum to 1."""
        r = self(self.encoder.read(texts)).double().exp().numpy()
        out: np.ndarray[Any, np.dtype[np.float64]] = r / r.sum(axis=1, keepdims=True)
        return out
