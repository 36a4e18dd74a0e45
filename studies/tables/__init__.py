"""Tables 1 and 4-6: what each method makes of the eight capabilities."""
