"""Six allocators on a real pair: does any beat the static split when it is run for real?"""
