"""The nano pair."""
