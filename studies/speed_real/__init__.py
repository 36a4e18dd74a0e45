"""What real distillation costs beside bare loops and TRL, as ratios measured in one process."""
