"""How often does the implemented ReAD break C.1 and 2 kappa sigma, and what do repairs cost?"""
