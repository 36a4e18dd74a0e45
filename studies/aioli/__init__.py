"""Aioli's one-source graphs: does the fitted world give them back within the noise of its seeds?"""
