"""`packlight serve`: serve an artifact over HTTP with the Open Inference Protocol."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli.without_effect import refuse
from packlight.serve.settings import Limits, Settings

LIMITS = Limits()
HOST, PORT = "127.0.0.1", 8080


def serve(
    artifact: Annotated[
        Path, typer.Argument(help="Folder of an artifact, or of several models: NAME/ or NAME/VERSION/.")
    ],
    host: Annotated[
        str,
        typer.Option(help="Address to listen on, such as :: for all. The default is reachable from this machine only."),
    ] = HOST,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = PORT,
    uds: Annotated[
        str | None, typer.Option(metavar="PATH", help="Unix socket to listen on, instead of an address and a port.")
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Path at which a proxy publishes the server, such as /models/intent.")
    ] = "",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of processes. Defaults to the container's CPU limit, divided by --threads.",
        ),
    ] = None,
    threads: Annotated[
        int,
        typer.Option(
            min=1,
            help="Threads of each process. One serves the most requests; `packlight plan` says if a large model needs more to "
            "keep a p99.",
        ),
    ] = 1,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the model, if ARTIFACT is one artifact. Defaults to the artifact's name."),
    ] = None,
    deadline: Annotated[
        float, typer.Option(min=0.001, help="Maximum time for a request, in seconds. Then it gets status 504.")
    ] = LIMITS.deadline_seconds,
    queue: Annotated[
        int,
        typer.Option(min=1, help="Maximum number of texts in the queue of a model, per process. More get status 429."),
    ] = LIMITS.queue_texts,
    batch_tokens: Annotated[
        int, typer.Option(min=1, help="Maximum size of a micro-batch, in tokens with padding.")
    ] = LIMITS.batch_tokens,
    max_texts: Annotated[int, typer.Option(min=1, help="Maximum number of texts in a request.")] = LIMITS.texts,
    max_text_bytes: Annotated[int, typer.Option(min=1, help="Maximum size of a text, in bytes.")] = LIMITS.text_bytes,
    max_body_bytes: Annotated[
        int, typer.Option(min=1, help="Maximum size of a request body as sent, in bytes.")
    ] = LIMITS.body_bytes,
    cache: Annotated[
        int,
        typer.Option(
            min=0, max=100_000_000, help="Number of texts whose predictions each process caches. 0 turns the cache off."
        ),
    ] = 0,
    keep_alive: Annotated[
        float,
        typer.Option(min=1, help="Seconds that an idle connection stays open. Must be longer than your proxy's."),
    ] = LIMITS.keep_alive_seconds,
    reload_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds between checks for new versions of the models. 0 turns them off.")
    ] = 2.0,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds to keep accepting requests after SIGTERM, while readiness fails.")
    ] = 1.0,
    drain: Annotated[float, typer.Option(min=1, help="Seconds that unfinished requests then have to finish.")] = 20.0,
    access_log: Annotated[bool, typer.Option(help="Log each request as a line of JSON, without its texts.")] = True,
    metrics: Annotated[bool, typer.Option(help="Serve Prometheus metrics at /metrics.")] = True,
    page: Annotated[bool, typer.Option(help="Serve the web page at /, and /docs and /models.")] = True,
    protect_health: Annotated[
        bool, typer.Option("--protect-health", help="Also require the API key for health checks.")
    ] = False,
    protect_metrics: Annotated[
        bool, typer.Option("--protect-metrics", help="Also require the API key for metrics.")
    ] = False,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="Allowed CORS origin, such as https://app.example, or *. Can be repeated.")
    ] = None,
    tracing: Annotated[
        bool, typer.Option("--tracing", help="Send OpenTelemetry spans. Needs the extra `otel`.")
    ] = False,
) -> None:
    """Serve one artifact, or a folder of them, over HTTP with the Open Inference Protocol v2.

    To require an API key, set the environment variable PACKLIGHT_API_KEY to one or more, separated by commas.

    Example: `packlight serve runs/latest/variants/student-onnx-static --name intent`
    """
    if uds is not None:
        refuse({"--host": host != HOST, "--port": port != PORT}, f"is not used with --uds {uds}; omit one of them")
    from packlight.serve import server  # it imports onnxruntime

    limits = Limits(
        deadline_seconds=deadline,
        queue_texts=queue,
        batch_tokens=batch_tokens,
        texts=max_texts,
        text_bytes=max_text_bytes,
        body_bytes=max_body_bytes,
        unpacked_bytes=2 * max_body_bytes,
        keep_alive_seconds=keep_alive,
    )
    server.serve(
        Settings(
            path=str(artifact),
            name=name,
            host=host,
            port=port,
            uds=uds,
            root_path=root_path,
            cache_texts=cache,
            workers=workers or server.default_workers(threads),
            threads=threads,
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
