"""How often does the implemented ReAD break calibration and 2 kappa sigma, and what do repairs cost?"""
