"""r = softmax(MLP(Enc(card))): a small Transformer over the words of a card, two layers, softmax."""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from readsim.arrays import Array

BUCKETS = 4096  # of which bucket 0 is padding
LENGTH = 128  # words of a card that are read
_WORD = re.compile(r"[^\W\d_]+|\d|[^\w\s]")  # words, single digits, single signs


def card_words(text: str) -> list[str]:
    """Lower-case words, digits and signs."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=65536)
def bucket(word: str) -> int:
    """Bucket of a word in 1 to BUCKETS - 1: the same on every machine."""
    digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest, "big") % (BUCKETS - 1)


def token_ids(texts: Sequence[str]) -> NDArray[np.int64]:
    """Buckets of the first LENGTH words of each text, 0 after the last: (n, longest)."""
    rows = [[bucket(w) for w in card_words(text)[:LENGTH]] or [1] for text in texts]
    out = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out


def likeness(texts: Sequence[str], others: Sequence[str]) -> Array:
    """Cosine of the sets of words: (len(texts), len(others)) in [0, 1]."""
    sets, their = ([set(card_words(t)) for t in some] for some in (texts, others))
    return np.array(
        [[len(a & b) / max(np.sqrt(len(a) * len(b)), 1.0) for b in their] for a in sets]
    )


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
