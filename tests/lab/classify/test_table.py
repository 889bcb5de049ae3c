"""Tables of texts: columns found or refused, predictions, confusion matrix and accuracy with its interval."""

import csv
import io

import pytest

from chatapp.classify_cli import ended
from chatapp.errors import ChatError
from chatapp.lab.classify.head import HeadClassifier
from chatapp.lab.classify.measures import measure, wilson
from chatapp.lab.classify.table import as_csv, classified, read

ROWS = b"text,label,id\nhello world,Positive,1\nhow are you,0,2\n=SUM(1),negative,3\n"


def test_a_labelled_table_is_measured(tiny: HeadClassifier) -> None:
    found = ended(classified(tiny, read("in.csv", ROWS)))
    truth = [row["truth"] for row in found["rows"]]
    assert truth == ["positive", "negative", "negative"]
    right = sum(row["label"] == row["truth"] for row in found["rows"])
    assert found["measured"]["right"] == right and sum(map(sum, found["measured"]["matrix"])) == 3
    assert [row["probability"] for row in found["rows"]] == [max(row["probabilities"]) for row in found["rows"]]
    assert f"{right} of 3 texts" in found["words"] and "Always saying negative would get 66.7 %" in found["words"]
    rows = list(csv.reader(io.StringIO(as_csv(found))))
    assert rows[0] == ["text", "truth", "predicted", "probability", "p(negative)", "p(positive)"] and rows[3][0] == "'=SUM(1)"


def test_a_table_without_labels_is_predicted_alone(tiny: HeadClassifier) -> None:
    found = ended(classified(tiny, read("in.jsonl", b'{"sentence": "hello"}\n{"sentence": "' + b"hello world " * 60 + b'"}\n')))
    assert found["measured"] is None and found["words"] == "" and found["cut"] == 1 and "truth" not in found["rows"][0]
    assert as_csv(found).splitlines()[0] == "text,predicted,probability,p(negative),p(positive)"


def test_columns_may_be_named(tiny: HeadClassifier) -> None:
    table = read("in.csv", b"a,b\n1,hello\n0,world\n", "b", "a")
    assert table.texts == ["hello", "world"] and table.truth == ["1", "0"]
    assert read("in.csv", b"anything\nhello\n").texts == ["hello"]
    assert read("in.txt", b"hello\n\nworld\n").texts == ["hello", "world"]


@pytest.mark.parametrize(
    ("data", "columns", "said"),
    [
        (ROWS, ("texts", ""), "in.csv has no column 'texts' for the texts; it has: text, id. Did you mean text?"),
        (ROWS, ("", "lable"), "in.csv has no column 'lable' for the labels; it has: text, label, id. Did you mean label?"),
        (b"a,b\n1,2\n", ("", ""), "in.csv: which column holds the texts? Name one of a, b."),
        (b"text\n", ("", ""), "in.csv holds no entry."),
        (b"text,label\n ,a\n", ("", ""), "in.csv: row 1 has no text of 1 to 20,000 characters in the column text."),
        (b"\xff\xfe", ("", ""), "in.csv is no text in UTF-8"),
    ],
)
def test_wrong_tables_are_sentences(data: bytes, columns: tuple[str, str], said: str) -> None:
    with pytest.raises(ChatError) as error:
        read("in.csv", data, *columns)
    assert said in str(error.value)


def test_an_unknown_label_is_refused_with_those_there_are(tiny: HeadClassifier) -> None:
    with pytest.raises(ChatError, match=r"Row 1 has the label 'postive'.*Its labels are: negative, positive\. Did you mean positive\?"):
        ended(classified(tiny, read("in.csv", b"text,label\nhello,postive\n")))


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for right, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):
        assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)


def test_the_matrix_counts_true_by_predicted() -> None:
    found = measure([0, 0, 1, 2], [0, 1, 1, 0], ["a", "b", "c"])
    assert found["matrix"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]] and found["accuracy"] == 0.5 and found["commonest"] == "a"
