"""Bundles that cannot be served are refused in one line, before anything listens for long."""

import json
import pickle
import subprocess
import sys

import pytest

from serving import names
from serving.config import Batching, Concurrency, Feature, parse_config
from serving.errors import BundleError

VALID = {"version": 1, "service": "churn", "format": "xgboost", "model_file": "model.ubj"}


def refusal(folder) -> str:
    command = [sys.executable, "-m", "serving", "--model_dir", folder, "--model_name", "m", "--revision", "r"]
    done = subprocess.run([*command, "--http_port", "0"], capture_output=True, text=True, timeout=30, check=False)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    return lines[0]


def test_a_config_is_typed_with_its_defaults():
    config = parse_config(VALID | {"batching": {"max_rows": 32, "max_delay_ms": 2}})
    assert (config.batching, config.concurrency) == (Batching(32, 2.0), Concurrency(64, 64))
    assert (config.max_body_bytes, config.request_seconds, config.features) == (10485760, 30.0, None)


def test_features_are_typed():
    config = parse_config(VALID | {"features": [{"name": "a", "type": "float", "min": 0}]})
    assert config.features == (Feature("a", "float", min=0.0),)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ({"version": 2}, "version: 1 is wanted"),
        ({"formt": "x"}, "formt: is not a known key"),
        ({"format": "pickle"}, "format: one of sklearn"),
        ({"service": ""}, "service: text is wanted"),
        ({"model_file": None}, "model_file: format xgboost needs one"),
        ({"model_file": "/etc/passwd"}, "model_file: a path inside"),
        ({"model_file": "a/../../b"}, "model_file: a path inside"),
        ({"format": "ensemble"}, "handler: an ensemble needs one"),
        ({"format": "ensemble", "handler": "h.py"}, "model_file: an ensemble has none"),
        ({"features": []}, "features: a list"),
        ({"features": [{"name": "a", "type": "float", "mix": 1}]}, "features[0].mix: is not a known key"),
        ({"features": [{"name": "a", "type": "real"}]}, "features[0].type: one of float"),
        ({"features": [{"name": "a", "type": "float", "min": 2, "max": 1}]}, "features[0].min: is above max"),
        ({"features": [{"name": "a", "type": "tensor"}]}, "features[0].shape: is required"),
        ({"features": [{"name": "a", "type": "tensor", "shape": [8, 8]}]}, "rows (-1) first"),
        ({"features": [{"name": "a", "type": "float"}] * 2}, "features: a is there twice"),
        ({"batching": {"max_rows": 0, "max_delay_ms": 2}}, "batching.max_rows: a whole number"),
        ({"batching": {"max_rows": 8}}, "batching.max_delay_ms: is required"),
        ({"concurrency": {"limit": True}}, "concurrency.limit: a whole number"),
        ({"max_body_bytes": 1.5}, "max_body_bytes: a whole number"),
        ({"request_seconds": "30"}, "request_seconds: a number"),
        ({"services": "churn"}, "services: a list of texts"),
    ],
)
def test_a_wrong_config_names_the_key_and_what_is_wanted(override, reason):
    with pytest.raises(BundleError) as caught:
        parse_config(VALID | override)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "sklearn", "onnx"])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_is_refused_whatever_it_is_called(kind, protocol, bundle):
    from serving.formats import Options, load_model

    folder = bundle(kind)
    path = next(path for path in folder.iterdir() if path.name.startswith("model."))
    path.write_bytes(pickle.dumps({"weights": [1.0, 2.0]}, protocol))
    with pytest.raises(BundleError) as caught:
        load_model(kind, path, Options())
    assert "is a pickle" in str(caught.value)


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "sklearn", "onnx"])
@pytest.mark.parametrize("content", ["half", "other", "empty", "text"])
def test_a_file_that_is_not_of_its_format_is_refused_in_one_line(kind, content, bundle, models, tmp_path):
    from serving.formats import Options, load_model

    whole = getattr(models, kind).read_bytes()
    other = models.onnx if kind != "onnx" else models.xgboost
    path = tmp_path / "model"
    path.write_bytes(
        {"half": whole[: len(whole) // 2], "other": other.read_bytes(), "empty": b"", "text": b"hello"}[content]
    )
    with pytest.raises(BundleError) as caught:
        load_model(kind, path, Options())
    assert "\n" not in str(caught.value)


def test_a_model_with_types_beyond_scikit_learns_own_is_refused(bundle):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    folder = bundle("sklearn")
    skops.io.dump(FunctionTransformer(func=json.loads), folder / "model.skops")
    assert "json" in refusal(folder)


def test_a_model_trained_on_other_features_is_refused(bundle):
    features = [{"name": name, "type": "float"} for name in ("tenure", "spend", "colour")]
    assert refusal(bundle(features=features)).endswith(
        "not those the model was trained on; they differ in colour, contract"
    )


def test_a_model_of_another_width_is_refused(bundle):
    assert "the model takes 3, and 1 are declared" in refusal(
        bundle("sklearn", features=[{"name": "a", "type": "float"}])
    )


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("import no_such_module", "handler.py: ModuleNotFoundError"),
        ("def f(:", "handler.py: SyntaxError"),
        ("x = 1", "handler.py: defines no class Handler"),
        (
            "class Handler:\n    def load(self, bundle):\n        raise OSError('no file')",
            "handler.py: OSError: no file",
        ),
        ("class Handler:\n    method = 'fit'", "handler: method"),
    ],
)
def test_a_handler_that_does_not_load_is_refused(handler, reason, bundle):
    assert reason in refusal(bundle("sklearn", handler=handler))


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"version": 1}'])
def test_a_folder_without_a_whole_serving_json_is_refused(content, tmp_path):
    if content is not None:
        (tmp_path / "serving.json").write_text(content)
    assert refusal(tmp_path)


def test_a_model_file_that_is_a_link_is_refused(bundle, models):
    folder = bundle()
    (folder / "model.ubj").unlink()
    (folder / "model.ubj").symlink_to(models.xgboost)
    assert "is not a file of the bundle" in refusal(folder)


def test_the_pipeline_and_the_server_have_the_same_names():
    from liftlock import conventions

    shared = [name for name in vars(names) if name.startswith("METRIC_") or name.endswith("_HEADER")]
    assert len(shared) == 10
    assert {name: getattr(names, name) for name in shared} == {name: getattr(conventions, name) for name in shared}
