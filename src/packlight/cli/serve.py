"""`packlight serve`: an artifact on the Open Inference Protocol."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.serve.settings import Limits, Settings

LIMITS = Limits()


def serve(
    artifact: Annotated[
        Path, typer.Argument(help="An artifact's folder, or a folder of models: NAME/VERSION/ or NAME/ in it.")
    ],
    host: Annotated[
        str, typer.Option(help="The address to listen on; only this machine reaches the default.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes, each with one thread; by default one for each processor allowed."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The model's name, where ARTIFACT is one; the artifact's own by default.")
    ] = None,
    deadline: Annotated[
        float, typer.Option(min=0.001, help="Seconds within which a request is answered; 504 after that.")
    ] = LIMITS.deadline_seconds,
    queue: Annotated[
        int, typer.Option(min=1, help="Texts that may wait for one model in a worker; 429 beyond.")
    ] = LIMITS.queue_texts,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Padded tokens of one micro-batch.")] = LIMITS.batch_tokens,
    max_texts: Annotated[int, typer.Option(min=1, help="Texts in one request.")] = LIMITS.texts,
    max_text_bytes: Annotated[int, typer.Option(min=1, help="Bytes of one text.")] = LIMITS.text_bytes,
    max_body_bytes: Annotated[int, typer.Option(min=1, help="Bytes of a body, packed.")] = LIMITS.body_bytes,
    reload_seconds: Annotated[
        float, typer.Option(min=0, help="How often new versions are looked for; 0 for never.")
    ] = 2.0,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds after SIGTERM in which readiness fails and requests are still taken.")
    ] = 1.0,
    drain: Annotated[
        float, typer.Option(min=1, help="Seconds that running requests have to finish after that.")
    ] = 20.0,
    access_log: Annotated[bool, typer.Option(help="Log each request (never its texts) as a JSON line.")] = True,
    metrics: Annotated[bool, typer.Option(help="Answer /metrics.")] = True,
    page: Annotated[bool, typer.Option(help="Show the page at /, /docs and /models.")] = True,
    protect_health: Annotated[bool, typer.Option("--protect-health", help="Health needs the API key too.")] = False,
    protect_metrics: Annotated[bool, typer.Option("--protect-metrics", help="Metrics need the API key too.")] = False,
    cors_origin: Annotated[list[str] | None, typer.Option(help="Allowed CORS origin; may be repeated.")] = None,
    tracing: Annotated[bool, typer.Option("--tracing", help="Send OpenTelemetry spans (extra `otel`).")] = False,
) -> None:
    """Serve an artifact, or a folder of them, on the Open Inference Protocol v2.

    Clients need a key where the variable PACKLIGHT_API_KEY holds one (or several, with commas between).

    Example: `packlight serve runs/latest/variants/student-onnx-static --name intent`
    """
    from packlight.serve import server  # it imports onnxruntime

    limits = Limits(
        deadline_seconds=deadline,
        queue_texts=queue,
        batch_tokens=batch_tokens,
        texts=max_texts,
        text_bytes=max_text_bytes,
        body_bytes=max_body_bytes,
        unpacked_bytes=2 * max_body_bytes,
    )
    server.serve(
        Settings(
            path=str(artifact),
            name=name,
            host=host,
            port=port,
            workers=workers or server.default_workers(),
            limits=limits,
            reload_seconds=reload_seconds,
            grace_seconds=grace,
            drain_seconds=drain,
            access_log=access_log,
            metrics=metrics,
            page=page,
            protect_health=protect_health,
            protect_metrics=protect_metrics,
            cors_origins=tuple(cors_origin or ()),
            tracing=tracing,
        )
    )
