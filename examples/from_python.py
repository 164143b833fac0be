"""From labelled texts to a prediction: compress a model, pick a variant within limits, and use it.

python examples/from_python.py [DATA] [OUT]
"""

import sys

import packlight
from packlight.errors import NothingFitsError


def main(source: str = "sample", out: str = "runs/from_python") -> None:
    result = packlight.compress("minilm", source, recipe="walk", profile="edge", max_size_mb=30, out=out)
    print(result.table)
    try:
        pick = result.pick
    except NothingFitsError as error:
        print(error)
        return
    print(pick.name, "predicts", pick.predict(["wake me up at six"], top_k=3))


if __name__ == "__main__":
    main(*sys.argv[1:])
