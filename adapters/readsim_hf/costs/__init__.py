"""What a run costs: operations, memory, devices. Formulas, each with its source; no weights are loaded."""
