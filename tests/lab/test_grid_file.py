"""grid.yaml: read strictly, expanded, written back; wrong ones are one sentence each."""

from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.grid import Grid
from chatapp.lab.grid_file import parse, plain, written
from chatapp.lab.lists import beside, no_files
from chatapp.sampling import MAX_SEED

GRID = """
prompts:
  - What is the capital of {{country}}?
  - prompt: Say hello.
    assert: [{length: {max: 40}}]
variables: countries.csv
columns:
  - {name: cold, temperature: 0, max_tokens: 16}
  - {name: warm, model: small, system: Be short., seed: 7, stop: ["\\n"], top_k: 20}
  - {name: heat, sweep: {temperature: [0, 0.5, 1]}}
replicas: 3
assert:
  - contains: "{{capital}}"
  - json
"""


def grid(text: str, folder: Path | None = None) -> Grid:
    return parse(text, beside(folder) if folder else no_files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "countries.csv").write_text("country,capital\nFrance,Paris\nPeru,Lima\n")
    return tmp_path


def test_a_grid_expands_into_questions_variants_and_cells(folder: Path) -> None:
    read = grid(GRID, folder)
    assert [question.text for question in read.questions()] == [
        "What is the capital of France?",
        "What is the capital of Peru?",
        "Say hello.",
        "Say hello.",
    ]
    assert [check.value for check in read.questions()[1].assertions] == ["Lima", ""]
    assert [check.plain() for check in read.questions()[2].assertions] == [{"contains": "Paris"}, {"json": True}, {"length": {"max": 40}}]
    labels = ["cold", "warm", "heat [temperature=0]", "heat [temperature=0.5]", "heat [temperature=1]"]
    assert [variant.label for variant in read.variants()] == labels
    assert read.variants()[3].swept == ("temperature", 0.5) and read.variants()[1].sampling.top_k == 20
    cells = read.cells()
    assert len(cells) == 4 * (3 * 3 + 2) and len({cell.key for cell in cells}) == len(cells)
    assert {cell.variant.label: cell.count for cell in cells} == dict(zip(labels, [3, 1, 3, 1, 1], strict=True))


def test_all_columns_draw_with_the_same_random_numbers() -> None:
    read = grid("{prompts: [a, b], columns: [{name: x}, {name: y, top_k: 5}, {name: z, seed: 9}, {name: g, temperature: 0}], replicas: 2}")
    seeds = {cell.key: cell.sampling.seed for cell in read.cells()}
    assert seeds[0, "x", 0] == seeds[0, "y", 0] != seeds[1, "x", 0] == seeds[1, "y", 0]
    assert seeds[0, "x", 1] == (seeds[0, "x", 0] + 1) % (MAX_SEED + 1)
    assert (seeds[0, "z", 0], seeds[1, "z", 1], seeds[0, "g", 0]) == (9, 10, None)
    again = grid("{prompts: [b], columns: [{name: other}]}")
    assert again.cells()[0].sampling.seed == seeds[1, "x", 0], "a prompt keeps its seed in another grid"


def test_what_is_written_reads_back_the_same_without_its_files(folder: Path) -> None:
    read = grid(GRID, folder)
    back = grid(written(read))
    assert back == read and written(back) == written(read) and "Lima" in written(read)
    assert plain(back)["columns"][0]["top_p"] == 0.95, "every setting is written down"


@pytest.mark.parametrize(
    ("name", "data", "prompts"),
    [
        ("a.txt", "\ufeffone\n\n  two \n", ["one", "two"]),
        ("a.csv", "prompt,n\n\"one, with comma\",1\n'{{n}}',2\n", ["one, with comma", "'2'"]),
        ("a.csv", "whatever\none\ntwo\n", ["one", "two"]),
        ("a.csv", "prompt;n\none;1\n", ["one"]),
        ("a.jsonl", '"one"\n{"prompt": "{{n}} two", "n": 2, "assert": [{"contains": "x"}]}\n', ["one", "2 two"]),
    ],
)
def test_prompts_come_from_files(name: str, data: str, prompts: list[str], tmp_path: Path) -> None:
    (tmp_path / name).write_text(data)
    read = grid(f"{{file: {name}, columns: [{{name: x}}]}}", tmp_path)
    assert [question.text for question in read.questions()] == prompts
    assert grid(written(read)) == read


def test_marks_without_variables_are_text() -> None:
    [question] = grid("{prompts: ['Explain {{x}}'], columns: [{name: x}]}").questions()
    assert question.text == "Explain {{x}}"


def test_a_value_in_a_pattern_stands_for_itself() -> None:
    read = grid("{prompts: ['{{x}}?'], variables: [{x: a.b}], columns: [{name: x}], assert: [{regex: '^{{x}}$'}]}")
    [check] = read.questions()[0].assertions
    assert check.failure("a.b") == "" and check.failure("aXb") != ""


ONE = "columns: [{name: x}]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{{promts: [a], {ONE}}}", "'promts', which means nothing there. Did you mean prompts?"),
        ("{prompts: [a], columns: [{name: x, temprature: 1}]}", "'temprature', which means nothing there. Did you mean temperature?"),
        ("{prompts: [a], columns: [{name: x, temperature: 3}]}", "Column 'x': Temperature is 3; it must be a number from 0 to 2"),
        ("{prompts: [a], columns: [{name: x, sweep: {temperature: [0, 9]}}]}", "Column 'x': Temperature is 9"),
        ("{prompts: [a], columns: [{name: x, sweep: {temperatur: [0, 1]}}]}", "Did you mean temperature?"),
        ("{prompts: [a], columns: [{name: x, sweep: {seed: [0, 1]}}]}", "sweep has 'seed'"),
        ("{prompts: [a], columns: [{name: x, top_k: 1, sweep: {top_k: [0, 1]}}]}", "top_k is set and swept"),
        ("{prompts: [a], columns: [{name: x, sweep: {top_k: [1]}}]}", "at least two values"),
        ("{prompts: [a], columns: [{name: x}, {name: x}]}", "Two columns are called 'x'"),
        ("{prompts: [a], columns: [{}, {}, {}, {}, {}, {}, {}]}", "There are 7 columns; it must be 1 to 6"),
        (f"{{prompts: [a], columns: [{{sweep: {{top_k: {list(range(25))}}}}}]}}", "There are 25 values in the sweep of column 1"),
        (f"{{prompts: {['a'] * 201}, {ONE}}}", "There are 201 prompts"),
        (f"{{prompts: [a], replicas: 21, {ONE}}}", "replicas is 21; it must be a whole number from 1 to 20"),
        (f"{{prompts: [a], replicas: yes, {ONE}}}", "replicas is True"),
        (
            f"{{prompts: {['a'] * 200}, replicas: 20, columns: [{{sweep: {{top_k: {list(range(7))}}}}}]}}",
            "28,000 replies; at most 24,000 are made",
        ),
        (f"{{prompts: [], {ONE}}}", "at least one prompt"),
        (f"{{prompts: [42], {ONE}}}", "prompt is 42; it must be a text: put it in quotes"),
        (f"{{prompts: ['  '], {ONE}}}", "Prompt 1: There is nothing to send"),
        ("{prompts: [a]}", "columns must be a list"),
        (f"{{prompts: [a], file: b.txt, {ONE}}}", "either prompts, a list, or file"),
        (f"{{file: b.txt, {ONE}}}", "b.txt is a file's name. Upload the file"),
        (f"{{prompts: ['{{{{contry}}}}'], variables: [{{country: x}}], {ONE}}}", "no such variable is given. Did you mean country?"),
        (
            f"{{prompts: [a], assert: [{{contain: b}}], {ONE}}}",
            "The grid, assertion 1: there is no assertion 'contain'. Did you mean contains?",
        ),
        (f"{{prompts: [a], assert: [{{regex: '('}}], {ONE}}}", "is no regular expression"),
        (f"{{prompts: [a], assert: [{{length: {{min: 3, max: 2}}}}], {ONE}}}", "no reply has at least 3 and at most 2"),
        (f"{{prompts: [{{prompt: a, assert: [{{json: 1}}]}}], {ONE}}}", "Prompt 1, assertion 1: json takes no value but true"),
        (f"{{prompts: [a], prompts: [b], {ONE}}}", "'prompts' stands twice"),
        (f"{{prompts: [&a [x], *a], {ONE}}}", "Line 1 of the grid has an alias (*)"),
        (f"{{prompts: [a], replicas: 0x{'f' * 5000}, {ONE}}}", "Line 1 of the grid has a number of 5002 digits"),
        (f"{{prompts: [a], replicas: 1{':1' * 300}.5, {ONE}}}", "Line 1 of the grid has a number of 603 digits"),
        (f"{{prompts: [!!bool x], {ONE}}}", "Line 1 of the grid has a tag ('!!bool')"),
        (f"{{prompts: [a], replicas: !!timestamp x, {ONE}}}", "Leave it out, or put the text in quotes."),
        (f"{{prompts: [!important rule], {ONE}}}", "('!important')"),
        (f"{{prompts: [a], variables: [{{x: 0x{'f' * 5000}}}], {ONE}}}", "Line 1 of the grid has a number"),
        (f"{{prompts: [a], assert: {['json'] * 21}, {ONE}}}", "The grid has 21 assertions; at most 20"),
        ("{prompts: [a], columns: [{name: '  '}]}", "The name of column 1 must have 1 to 60 characters"),
        (f"{{prompts: [{'a' * 10**6}], replicas: 20, columns: [{{}}, {{}}, {{}}, {{}}, {{}}, {{}}]}}", "120,000,000 characters of prompts"),
        ("{prompts: [a", "The grid is no YAML in line 1"),
        (f"{{prompts: [Why?, How?], {ONE}}}", "in line 1: expected ',' or ']', but got '?'. Put texts with : ? # , in them into quotes"),
        ("just words", "The grid must be a mapping"),
        ("!!python/object/apply:os.system [ls]", "Line 1 of the grid has a tag ('!!python/object"),
        ("[" * 5000, "The grid is no YAML"),
        (b"\xff\xfe\xff", "The grid is no YAML"),
    ],
)
def test_a_wrong_grid_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(ChatError) as refused:
        grid(text)
    assert words in str(refused.value) and refused.value.status == 422 and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", "x,y\n1,2\n", "entry 1 has no prompt"),
        ("a.csv", "prompt,y\n1\n", "row 1 has 1 cells, its first line has 2"),
        ("a.csv", 'prompt,y\n"1,2\n', "line"),
        ("a.csv", "prompt,prompt\n1,2\n", "must name each column once"),
        ("a.jsonl", '{"prompt": 1}\n', "entry 1 has no prompt"),
        ("a.jsonl", "{\n", "line 1 is no JSON"),
        ("a.pdf", "x", "must end in .txt, .csv or .jsonl"),
        ("a.txt", "\n", "holds no entry"),
    ],
)
def test_a_wrong_list_is_one_sentence(name: str, data: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(data)
    with pytest.raises(ChatError, match=words):
        grid(f"{{file: {name}, {ONE}}}", tmp_path)


def test_a_list_that_is_not_there_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"none\.txt cannot be read: No such file"):
        grid(f"{{file: none.txt, {ONE}}}", tmp_path)
    with pytest.raises(ChatError, match=r"~nobody\.there/a\.txt cannot be read: No such file"):
        grid(f"{{file: ~nobody.there/a.txt, {ONE}}}", tmp_path)
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ChatError, match="no text in UTF-8: byte 3"):
        grid(f"{{file: a.txt, {ONE}}}", tmp_path)
