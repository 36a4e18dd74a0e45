"""Methods of distillation on the real pairs: utility, tokens, seconds, forgetting, and what each trains."""
