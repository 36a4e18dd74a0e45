"""A posterior over every capability's level, and the plan of the tokens left that it likes best."""
