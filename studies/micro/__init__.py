"""The micro pair: a second one that is trained here from nothing, unlike nano in build and in tokens."""
