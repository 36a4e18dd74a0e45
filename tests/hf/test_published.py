"""What is shown to others holds no password, key or folder of the machine."""

import pytest

from readsim_hf.published import published

KEY = "hf_" + "aB3" * 12


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nano/teacher", "nano/teacher"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://host:8000/v1#org/model", "http://host:8000/v1#org/model"),
        ("https://user:pw@host/v1?token=abcdefgh", "https://host/v1"),
        ("https://host/secret-part/v1/", "https://host/***"),
        ("https://host/v1#key=abc", "https://host/v1"),
        (f"see https://x:y@h/{KEY}, then", "see https://h/*** then"),
        ("http://[broken", "***"),
        ("/home/alice/models/tiny", "tiny"),
        ("~/models/tiny.gguf", "tiny.gguf"),
        (r"C:\Users\alice\tiny", "tiny"),
        ("runs/teacher.sqlite", "runs/teacher.sqlite"),
        (f"a {KEY} b", "a *** b"),
        ("sk-" + "abc123DEF" * 4, "***"),
        ("Bearer abc.def", "***"),
        ("a password=correct-horse&b", "a ***&b"),
        ("task-static.average.6000.seed0", "task-static.average.6000.seed0"),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert published(text) == shown


def test_tables_are_walked_through_and_numbers_stay() -> None:
    table = {"a": ["/x/y", 1, None], "b": {"/home/k": ("https://u:p@h", 0.5)}}
    assert published(table) == {"a": ["y", 1, None], "b": {"k": ["https://h", 0.5]}}
