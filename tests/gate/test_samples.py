"""Reading recorded samples: every column checked, every fault named, fast."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from liftlock.errors import InvalidInput
from liftlock.gate import samples as reading
from liftlock.gate.samples import Samples, read_samples

HEADER = "arm,intended_start_s,latency_s,ok"
GOOD = ["baseline,0.5,0.25,1", "candidate,0.25,1e-3,0", "baseline,0.125,2,1"]


def _write(directory: Path, lines: list[str], header: str = HEADER, end: str = "\n") -> Path:
    path = directory / "samples.csv"
    path.write_bytes(end.join([header, *lines, ""]).encode())
    return path


def _values(samples: Samples) -> list[list[float]]:
    arms = (samples.baseline, samples.candidate)
    return [[*arm.intended_start_s, *arm.latency_s, *arm.ok] for arm in arms]


EXPECTED = [[0.125, 0.5, 2.0, 0.25, True, True], [0.25, 0.001, False]]


def test_each_arm_comes_out_by_intended_start(tmp_path: Path):
    assert _values(read_samples(_write(tmp_path, GOOD))) == EXPECTED


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "header", [HEADER, "\ufeff" + HEADER, HEADER + ",kind,revision", '"arm","intended_start_s","latency_s","ok"']
)
def test_what_is_another_habit_is_read_alike(header: str, end: str, tmp_path: Path):
    lines = [f"{line},,m-1" for line in GOOD] if "kind" in header else GOOD
    assert _values(read_samples(_write(tmp_path, lines, header, end))) == EXPECTED


@pytest.mark.parametrize(("yes", "no"), [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_truth_has_several_spellings(yes: str, no: str, tmp_path: Path):
    lines = [line[:-1] + (yes if line.endswith("1") else no) for line in GOOD]
    assert _values(read_samples(_write(tmp_path, lines))) == EXPECTED


def test_a_last_line_without_an_end_and_quoted_fields_are_read(tmp_path: Path):
    path = tmp_path / "samples.csv"
    path.write_text("\n".join([HEADER, GOOD[0], '"candidate","0.25","0.001","0"', "", GOOD[2]]))
    assert _values(read_samples(path)) == EXPECTED


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("canary,1,1,1", "arm"),
        ("baseline,x,1,1", "intended_start_s"),
        ("baseline,-1,1,1", "intended_start_s"),
        ("baseline,nan,1,1", "intended_start_s"),
        ("baseline,1,inf,1", "latency_s"),
        ("baseline,1,-0.1,1", "latency_s"),
        ("baseline,1,,1", "latency_s"),
        ("baseline,1,1,2", "ok"),
        ("baseline,1,1,0.5", "ok"),
        ("baseline,1,1,yes", "ok"),
        ("baseline,1,1", "row"),
        ("2,1,1,1", "arm"),
        ("0.5,1,1,1", "arm"),
    ],
)
def test_a_bad_line_is_named_with_its_field(line: str, field: str, tmp_path: Path):
    with pytest.raises(InvalidInput) as refused:
        read_samples(_write(tmp_path, [*GOOD, line, GOOD[0]]))
    assert [(5, field)] == [(problem.line, problem.field) for problem in refused.value.problems]


def test_many_bad_lines_are_told_in_few_words(tmp_path: Path):
    with pytest.raises(InvalidInput) as refused:
        read_samples(_write(tmp_path, ["nobody,1,1,1"] * 500))
    assert len(refused.value.problems) == 21
    assert "480 more" in str(refused.value)


@pytest.mark.parametrize("header", ["", "arm,latency_s,ok", "intended_start_s,arm,latency_s,ok", "baseline,1,1,1"])
def test_missing_columns_are_refused(header: str, tmp_path: Path):
    with pytest.raises(InvalidInput, match="wanted the columns arm,intended_start_s,latency_s,ok"):
        read_samples(_write(tmp_path, GOOD, header))


def test_an_absent_file_is_a_problem_and_no_traceback(tmp_path: Path):
    with pytest.raises(InvalidInput, match="No such file"):
        read_samples(tmp_path / "absent.csv")


def test_lines_across_chunks_are_whole_and_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "_CHUNK", 50)
    lines = [f"{'baseline' if n % 2 else 'candidate'},{n},{n / 7!r},1,,m-1" for n in range(200)]
    samples = read_samples(_write(tmp_path, lines))
    assert [n / 7 for n in range(1, 200, 2)] == list(samples.baseline.latency_s)
    with pytest.raises(InvalidInput) as refused:
        read_samples(_write(tmp_path, [*lines, "x,1,1,1"]))
    assert refused.value.problems[0].line == 202


def test_half_a_million_rows_take_a_second_or_two(tmp_path: Path):
    random = np.random.default_rng(1)
    values = random.random((500_000, 2))
    lines = [f"{'baseline' if n % 2 else 'candidate'},{a!r},{b!r},1,,m-1" for n, (a, b) in enumerate(values.tolist())]
    path = _write(tmp_path, lines, HEADER + ",kind,revision")
    begun = time.process_time()
    samples = read_samples(path)
    assert time.process_time() - begun < 3
    order = np.argsort(values[1::2, 0], kind="stable")
    assert np.array_equal(samples.baseline.latency_s, values[1::2, 1][order])


@pytest.mark.parametrize("path", ["/dev/zero", "/"])
def test_what_is_no_file_is_refused_at_once(path):
    with pytest.raises(InvalidInput, match="this is a directory, a pipe or a device"):
        read_samples(Path(path))
