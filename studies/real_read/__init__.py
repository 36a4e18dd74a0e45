"""ReAD with an identified requirement against the paper's baselines, on real models."""
