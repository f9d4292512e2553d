"""Durations, rates and amounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock.spec.quantities import Cpu, Duration, Memory, Rate
from liftlock.spec.sources import Source, is_immutable


@pytest.mark.parametrize(
    ("kind", "text", "value", "canonical"),
    [
        (Duration, "250ms", 250, "250ms"),
        (Duration, "1.5s", 1500, "1500ms"),
        (Duration, "60s", 60_000, "1m"),
        (Duration, "2w", 14 * 86_400_000, "14d"),
        (Duration, "0s", 0, "0s"),
        (Cpu, "0.5", 500, "500m"),
        (Cpu, "2000m", 2000, "2"),
        (Memory, "0.5Gi", 2**29, "512Mi"),
        (Memory, "1G", 10**9, "1G"),
        (Memory, "1024", 1024, "1Ki"),
    ],
)
def test_an_amount_has_one_value_and_one_text(kind, text, value, canonical):
    parsed = kind.parse(text)
    assert next(iter(vars(parsed).values())) == value
    assert str(parsed) == canonical
    assert kind.parse(canonical) == parsed


@pytest.mark.parametrize(
    ("kind", "text"),
    [(Duration, text) for text in ("", "5", "s", "-1s", "1 s", "0.5ms", "1e3s", "٣s", "5M", "1s\n", "9" * 99 + "s")]
    + [(Rate, text) for text in ("0/s", "/s", "5", "5/d", "-5/s", "5 /s")]
    + [(Cpu, text) for text in ("", "0.0001", "0.5m", "1k")]
    + [(Memory, text) for text in ("", "512m", "0.5", "1mi", "1 Gi")],
)
def test_what_is_no_amount_is_refused(kind, text):
    with pytest.raises(ValueError, match=r"such as|above zero"):
        kind.parse(text)


@given(st.integers(0, 10**12))
def test_every_duration_reads_back_what_it_writes(milliseconds):
    assert Duration.parse(str(Duration(milliseconds))).milliseconds == milliseconds


@given(st.integers(0, 2**50))
def test_every_memory_reads_back_what_it_writes(amount):
    if amount < 10**12:
        assert Memory.parse(str(Memory(amount))).bytes == amount


@pytest.mark.parametrize(
    ("text", "immutable"),
    [
        ("train", False),
        ("s3://models/churn/model.ubj", False),
        ("s3://models/churn/model.ubj?versionId=abc.123", True),
        ("oci://ghcr.io/acme/churn:1.2", False),
        ("oci://ghcr.io/acme/churn:1.2@sha256:" + "f" * 64, True),
        ("hf://acme/chat@main", False),
        ("hf://acme/chat@" + "0" * 40, True),
        ("mlflow:churn@champion", False),
        ("mlflow:churn@17", True),
    ],
)
def test_only_a_reference_that_cannot_move_is_immutable(text, immutable):
    assert is_immutable(Source.parse(text)) is immutable


@pytest.mark.parametrize(
    "text",
    ["", "TRAIN", "s3://", "s3://B/k", "s3://bucket/../k", "s3://bucket//k", "oci://x", "oci://ghcr.io/a@sha256:12",
     "hf://a/b", "hf://a@b", "hf://a/../b@c", "mlflow:a", "mlflow:@x", "file:///etc/passwd", "hf://a/b@c d",
     "s3://bucket/" + "k" * 2000],
)  # fmt: skip
def test_what_is_no_source_is_refused(text):
    with pytest.raises(ValueError, match="train, s3://"):
        Source.parse(text)
