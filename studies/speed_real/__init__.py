"""What real distillation costs compared with bare loops and TRL, as ratios measured in one process."""
