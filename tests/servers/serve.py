"""llama.cpp's own HTTP server on a free port of 127.0.0.1: a program of its own, so that a crash is not the tests'.

`python serve.py MODEL` prints the address once the model is loaded, and serves until its standard input ends, as that
does with whoever started it.
"""

import importlib
import sys
from typing import Any

CONTEXT = 4096  # tokens of one conversation
SLOTS = 2  # conversations at a time
THREADS = 16  # connections at a time: an idle one that is kept alive holds its thread for five seconds


def serve(path: str) -> None:
    llama: Any = importlib.import_module("xllamacpp")  # a compiled module without types
    params = llama.CommonParams()
    params.model.path = path
    params.model_alias = {"tiny"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT * SLOTS
    params.n_parallel = SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_threads_http = THREADS
    params.warmup = False
    server = llama.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    serve(sys.argv[1])
