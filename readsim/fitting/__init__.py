"""From measured runs to a world: reading tables, fitting the law, saying how sure it is."""
