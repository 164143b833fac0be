"""Serve artifacts with the Open Inference Protocol v2, and with a simple route `/predict`.

Each file does one thing. From the bytes inwards:

    http            uvicorn's protocol, with limits on headers and connections
    transport       head and body of a response in one packet
    asgi            a request and its response for the application
    app             the ASGI application of one worker: a route to its handler, common headers
    routes          from a path to its handler
    exchange        a request in progress
    http_errors     errors: a status and a reason
    keys, cors      access control
    inference       the routes that classify texts
    status          health, metadata, the list of models, metrics (`payloads` are their documents)
    documents       the web page and the API description (`openapi`)
    request_body    size, time and compression of a body
    requests        parses a body (`tensors` has the protocol's BYTES)
    responses       from predictions to bytes
    answer_cache    logits of earlier texts
    batcher         the queue of one model, run in slices (from `micro_batches`)
    model           an artifact, opened and warmed up
    external        rejects weights outside the graph's file
    repository      named, versioned artifacts in a folder, reloaded when they change

Around them:

    settings        a server's settings and limits
    server          checks before the first worker starts
    listening       addresses: TCP, IPv6, Unix sockets
    supervisor      starts workers, replaces those that die, drains and ends them
    worker          one process with one event loop
    lifespan        from a worker's start to its end
    startup         whether a worker became ready, or why none could
    drain_flag      the flag that every process sees
    observer        reports each event to metrics, log and traces
    metrics         histograms and counters, summed over all workers
    logs            JSON lines, never with a text (`line_writer` writes them without blocking)
    tracing         OpenTelemetry spans
    loadtest, deploy, push

`packlight.serve` runs without PyTorch.
"""
