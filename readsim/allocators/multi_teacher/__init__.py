"""Rules of multi-teacher on-policy distillation, from what training shows of each source."""
