"""Rules that fit a law of losses over mixtures, then play its optimum."""
