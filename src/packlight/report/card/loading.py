"""Ways to open an artifact, as code that runs in its folder."""

from collections.abc import Iterator
from typing import NamedTuple

from packlight.origin import wheel_line
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import engine_info, extras_of

TEXT = "where is my package"


class Way(NamedTuple):
    """A way to open an artifact: its requirements, and the code."""

    title: str
    needs: str
    language: str
    code: str


def ways(artifact: Artifact) -> tuple[Way, ...]:
    """The ways that fit the artifact's engine, packlight's own first."""
    return tuple(_ways(artifact))


def _ways(artifact: Artifact) -> Iterator[Way]:
    install = wheel_line(*extras_of(artifact))
    yield Way("packlight, verified by hash", install, "python", _PACKLIGHT)
    yield Way("the command line", install, "bash", f'packlight predict . "{TEXT}"')
    by_hand = engine_info(artifact.manifest.engine).loading_code
    if by_hand is not None and (code := by_hand.write(artifact.manifest, TEXT)) is not None:
        yield Way(by_hand.title, f"pip install {' '.join(by_hand.packages)}", "python", code)


_PACKLIGHT = f"""\
from packlight import Predictor

predictor = Predictor.open(".")
answer = predictor("{TEXT}")
print(answer.label, answer.score, answer.out_of_scope)"""
