"""Functions and files stay short enough to be read."""

from __future__ import annotations

from tests.architecture.tree import PRODUCT, functions, named, python_files

LONGEST_FUNCTION = 70
USUAL_FUNCTION = 32
LONGEST_FILE = 600


def test_it_has_no_function_over_seventy_lines():
    long = [
        f"{where}: {lines}"
        for path in python_files(*PRODUCT, "tests")
        for where, lines in functions(path)
        if lines > LONGEST_FUNCTION
    ]
    assert not long


def test_it_keeps_nine_functions_in_ten_under_thirty_two_lines():
    lines = [count for path in python_files(*PRODUCT) for _where, count in functions(path)]
    usual = sum(count < USUAL_FUNCTION for count in lines)
    assert usual >= 0.9 * len(lines), f"{usual} of {len(lines)} functions are under {USUAL_FUNCTION} lines"


def test_it_has_no_file_over_six_hundred_lines():
    long = {}
    for path in python_files(*PRODUCT, "tests"):
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > LONGEST_FILE:
            long[named(path)] = lines
    assert not long
