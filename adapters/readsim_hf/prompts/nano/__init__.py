"""The nano library: eight small capabilities written in characters, each with thousands of prompts."""
