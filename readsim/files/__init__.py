"""What a user wrote, read in one way: text, tables, JSON lines and settings.

Every file that a person hands over goes through here: it is read rightly or refused in one line that names
file, line and column. Files that readsim itself writes and resumes (run logs, checkpoints) have readers of
their own.

    read_text       bytes to text: gzip by content, byte order marks, UTF-8 or a refusal
    read_sheet      a CSV file as named columns of text (`Sheet`)
    read_rows       rows of a CSV or JSONL file, each column by its declared kind (`readsim.files.kinds`)
    raw_rows, as_declared   its two halves: all columns as they stand there, and the declared ones of them
    json_lines      one JSON object a line, strictly, one at a time
    sheet_rows      rows of a CSV file, one at a time
    read_settings   a TOML, JSON or YAML file as a table
"""

from readsim.files.json_text import json_lines, parse_json
from readsim.files.rows import FileRows, as_declared, raw_rows, read_rows
from readsim.files.settings import read_settings
from readsim.files.sheet import Sheet, read_sheet, sheet_rows
from readsim.files.text import AnyPath, read_text, suffix_of

__all__ = [
    "AnyPath",
    "FileRows",
    "Sheet",
    "as_declared",
    "json_lines",
    "parse_json",
    "raw_rows",
    "read_rows",
    "read_settings",
    "read_sheet",
    "read_text",
    "sheet_rows",
    "suffix_of",
]
