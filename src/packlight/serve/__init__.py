"""Serve artifacts with the Open Inference Protocol v2, and with a plain `/predict` for people.

Each file does one thing. From the bytes inwards:

    http            uvicorn's protocol, with bounds on headers and connections
    transport       head and body of a response in one packet
    asgi            a request and its response as the application wants them
    app             the ASGI application of one worker: a route to its handler, common headers
    routes          which handler a path means
    exchange        one request while it is answered
    http_errors     why a request is not answered: a status and a reason
    keys, cors      who may call
    inference       the routes that classify texts
    status          health, metadata, the list of models, metrics (`payloads` are their documents)
    documents       the web page and the API description (`openapi`)
    request_body    size, time and compression of a body
    requests        a body to what it asks (`tensors` are the protocol's BYTES)
    responses       what a model says, as bytes again
    answer_cache    logits of texts that were asked before
    batcher         the queue of one model, run in slices (`micro_batches` cuts them)
    model           one artifact, opened and warm
    external        rejects weights outside the graph's file
    repository      named, versioned artifacts in a folder, reloaded when they change

Around them:

    settings        what a server is told, with its limits
    server          what must hold before the first worker starts
    listening       addresses: TCP, IPv6, Unix sockets
    supervisor      starts workers, replaces those that die, drains and ends them
    worker          one process with one event loop
    lifespan        from a worker's start to its end
    startup         whether a worker became ready, and why none could
    drain_flag      the flag that every process sees
    observer        tells metrics, log and traces of each event
    metrics         histograms and counters, added up over all workers
    logs            JSON lines, never a text (`line_writer` writes them without waiting)
    tracing         OpenTelemetry spans
    loadtest, deploy, push

`packlight.serve` runs without PyTorch.
"""
