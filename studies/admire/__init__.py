"""Supervised fine-tuning mixtures of ADMIRE-BayesOpt: does the average of laws predict unseen runs?"""
