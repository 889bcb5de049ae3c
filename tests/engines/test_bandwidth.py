"""The bandwidth of memory is measured once for each machine, and the most that was measured counts."""

import json
from pathlib import Path

from chatapp.engines import bandwidth


def test_it_is_measured_kept_and_known_afterwards(tmp_path: Path) -> None:
    assert bandwidth.known(tmp_path) == 0.0
    found = bandwidth.measure(tmp_path / "data")
    assert 1e8 < found < 1e13 and abs(bandwidth.known(tmp_path / "data") - found) < 1


def test_a_busy_moment_does_not_lower_it_and_another_machine_begins_anew(tmp_path: Path) -> None:
    bandwidth.measure(tmp_path)
    file = tmp_path / bandwidth.NAME
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"bytes_per_second": 10**15}))
    assert bandwidth.measure(tmp_path) == 1e15
    file.write_text(json.dumps(said | {"cpu": "another", "bytes_per_second": 10**15}))
    assert bandwidth.known(tmp_path) == 0.0
    file.write_text("[]")
    assert bandwidth.known(tmp_path) == 0.0


def test_the_ceiling_is_what_must_be_read_for_each_token() -> None:
    assert bandwidth.ceiling(1e9, 1_000_000 - bandwidth.SPOKEN * 100, 100) == 1000
