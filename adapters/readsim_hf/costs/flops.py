"""Floating-point operations of reading, writing and training: a multiplication and an addition are two.

N is the number of weights in the layers' matrix products, d_q the width of the queries, L the layers,
V d the head. All formulas leave out norms, softmax and other terms that are not matrix products.
"""

from readsim_hf.costs.shape import ModelShape


def layer_flops(shape: ModelShape, tokens: float, keys: float) -> float:
    """The layers' forward pass over `tokens`, each attending to `keys` positions: 2 N + 4 L d_q keys a token.

    L here are the layers with attention; the scan of a recurrent layer is left out.

    Kaplan et al. 2020 (arXiv 2001.08361, section 2.1 and Table 1): 2 N for the products. The attention
    term is q k^T and the weighted sum of values, 2 d_q keys each (Chowdhery et al. 2022, arXiv
    2204.02311, appendix B). With a padding mask every pair is computed: keys is the whole length T; a
    causal kernel that skips the upper half needs keys = T / 2, which is Kaplan's 2 L T d.
    """
    return tokens * (2.0 * shape.body + 4.0 * shape.attending * shape.queries * keys)


def head_flops(shape: ModelShape, positions: float) -> float:
    """Logits at `positions`: 2 V d each (Kaplan et al. 2020, Table 1: the unembedding)."""
    return 2.0 * shape.head * positions


def training_flops(
    shape: ModelShape,
    tokens: float,
    length: float,
    supervised: float,
    *,
    lora: int = 0,
    recomputed: bool = False,
) -> float:
    """Forward and backward pass over `tokens` in sequences of `length`, logits at `supervised` of them.

    The backward pass has two products for each forward one, so 6 N a token (Kaplan et al. 2020;
    Hoffmann et al. 2022, arXiv 2203.15556, appendix F), prompt tokens too: they are read and passed
    back through, though no loss is taken there.
    With `lora` the frozen weights need the gradient of their input, not their own: 4 N, the adapters
    (N_r = r * ends) 6 N_r (Hu et al. 2021, arXiv 2106.09685). `recomputed` (gradient checkpointing)
    repeats the layers' forward pass (Chen et al. 2016, arXiv 1604.06174). A little too much: the first
    layer passes nothing back to frozen embeddings, and PyTorch does not repeat a layer's last product.
    """
    attention = layer_flops(shape, tokens, length) - layer_flops(shape, tokens, 0.0)
    products = 2.0 * shape.body * tokens
    adapters = 2.0 * shape.adapters(lora) * tokens
    forward = attention + products + adapters
    backward = 2.0 * attention + (1.0 if lora else 2.0) * products + 2.0 * adapters
    head = head_flops(shape, supervised) * (2.0 if lora else 3.0)
    return forward * (2.0 if recomputed else 1.0) + backward + head


def reading_flops(shape: ModelShape, tokens: float, length: float, sequences: float) -> float:
    """Prompts before generation: `tokens` in sequences of `length`, logits of each last one."""
    return layer_flops(shape, tokens, length) + head_flops(shape, sequences)


def writing_flops(shape: ModelShape, tokens: float, keys: float) -> float:
    """Generation with a cache of keys and values: 2 (N + V d) + 4 L d_q keys a token.

    `keys` is the mean length of what is attended to: the prompt and half of the reply (Pope et al. 2022,
    arXiv 2211.05102, section 2).
    """
    return layer_flops(shape, tokens, keys) + head_flops(shape, tokens)


def scoring_flops(shape: ModelShape, tokens: float, length: float, positions: float) -> float:
    """Distributions on a given text: one forward pass, logits at `positions`."""
    return layer_flops(shape, tokens, length) + head_flops(shape, positions)
