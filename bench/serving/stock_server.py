"""KServe's own xgbserver, written on `kserve.Model` as its repository has it (python/xgbserver/xgbserver/model.py)."""

import sys
from typing import Any

import kserve
import xgboost
from kserve.utils.utils import get_predict_input, get_predict_response


class XGBoostModel(kserve.Model):
    """A booster behind the stock data plane."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self._path = path

    def load(self) -> bool:
        self._booster = xgboost.Booster(params={"nthread": 1}, model_file=self._path)
        self.ready = True
        return True

    def predict(self, payload: Any, headers: Any = None) -> Any:  # noqa: ARG002 - KServe passes them
        matrix = xgboost.DMatrix(get_predict_input(payload), nthread=1)
        return get_predict_response(payload, self._booster.predict(matrix), self.name)


if __name__ == "__main__":
    # `kserve.model_server` has read its options from the same command line.
    path = sys.argv[sys.argv.index("--model_path") + 1]
    model = XGBoostModel("churn", path)
    model.load()
    kserve.ModelServer().start([model])
