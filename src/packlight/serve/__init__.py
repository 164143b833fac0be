"""Serve: artifacts on the Open Inference Protocol v2, and a plain `/predict` for people.

From the bytes inwards, each file one thing:

    refusal      why a request is not answered: a status and a reason
    limits       how large, how many, how long
    body         content encodings, unpacked under a cap
    tensors      the BYTES tensors of the protocol, JSON and binary
    query        a request's bytes to what it asks
    answers      what the models say, as bytes again
    model        one artifact, warm, with the offline predictor as its judge
    external     refuses weights outside the graph's file
    batcher      what is queued, run in length-sorted micro-batches
    repository   named, versioned artifacts in a folder, reloaded when they change
    draining     the flag that every process sees
    starting     whether a worker became ready, and why none could
    settings     what a server is told
    metrics      histograms and counters, shared by all worker processes
    logs         one JSON line a request, never a text
    tracing      OpenTelemetry spans
    keys         API keys, compared in constant time
    openapi      the interface's description
    payloads     health, metadata, the list of models
    asgi         a request and its response as the application wants them
    app          the ASGI application of one worker: routes to answers
    http         uvicorn's protocol, with bounds on heads and connections
    worker       one process: a listening socket, an event loop, the application
    supervisor   starts workers, replaces those that die, drains and ends them
    server       what must hold before the first worker is started

`packlight.serve` needs no torch. The first six and the batcher know nothing of HTTP servers.
"""
