"""The least a Python model server can be: raw ASGI on uvicorn, numpy, one dot product."""

import json
import sys
from typing import Any

import numpy as np
import uvicorn

WEIGHTS = np.linspace(-1, 1, 10)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = {"ready": True}
    if body:
        row = np.array(json.loads(body)["inputs"][0]["data"])
        answer = {"outputs": [{"name": "output-0", "shape": [1], "datatype": "FP64", "data": [float(row @ WEIGHTS)]}]}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
