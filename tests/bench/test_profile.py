"""Where the native code's time goes, as Linux's perf says it: its report as a table; without perf, or its word, a sentence."""

from pathlib import Path

import pytest

from chatapp.bench import profile
from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from tests.conftest import Scripted

REPORT = """
# Samples: 6K of event 'cpu-clock'
# Overhead  Shared Object        Symbol
    45.31%  xllamacpp.abi3.so    [.] (anonymous namespace)::tinygemm_kernel_amx<block_q8_1, block_q4_1, float, 32, 0>
     5.25%  libgomp.so.1.0.0     [.] 0x000000000001f7da
     2.50%  libgomp.so.1.0.0     [.] 0x000000000001f7de
     2.41%  libm.so.6            [.] __expf_fma
     1.20%  xllamacpp.abi3.so    [.] parallel_for<amx_mul_mat(params const*)::{lambda(int)#3}>(int)
     1.10%  [kernel.kallsyms]    [k] finish_task_switch.isra.0
     0.93%  xllamacpp.abi3.so    [.] ggml_compute_forward_rope_flt<float>
"""

PERF = """#!/bin/sh
# `record … -o FILE -- …` writes the file where there is a report; `report` prints it.
if [ "$1" = report ]; then cat "$0.report"; exit; fi
while [ "$1" != -o ]; do shift; done
if [ -f "$0.report" ]; then : > "$2"; else echo "Access to performance monitoring is limited." >&2; exit 1; fi
"""


@pytest.fixture
def perf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of Linux's own."""
    program = tmp_path / "bin" / "perf"
    program.parent.mkdir()
    program.write_text(PERF)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def test_a_report_becomes_shares_by_function_and_nameless_code_stands_together() -> None:
    assert list(profile.table(REPORT).items()) == [
        ("tinygemm_kernel_amx<block_q8_1, block_q4_1, float, 32, 0>", 45.3),
        ("libgomp.so.1.0.0", 7.8),
        ("__expf_fma", 2.4),
        ("parallel_for<amx_mul_mat", 1.2),
        ("finish_task_switch.isra.0", 1.1),
    ]


def test_both_phases_are_shown(perf: Path, scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    Path(f"{perf}.report").write_text(REPORT)
    assert profile.main(scripted) == 0
    shown = capsys.readouterr().out
    assert shown.count(" 45.3 %  tinygemm_kernel_amx") == 2 and "8 replies of 64 tokens at once" in shown


def test_what_perf_refuses_is_said_in_its_words(perf: Path, scripted: Scripted) -> None:
    with pytest.raises(ChatError, match="perf recorded nothing: Access to performance monitoring is limited"):
        profile.main(scripted)


def test_without_perf_it_is_said_how_to_get_it(scripted: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChatError, match="needs Linux's perf, of the package linux-perf"):
        profile.main(scripted)
