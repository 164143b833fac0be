"""Load tests: the rate that a server sustains, measured from outside by a generator in its own process.

    plan of requests   arrivals    Poisson times, drawn before the clock starts
    the wire           job         the generator's input and output
                       request     texts to the bytes of requests, once
                       connection  one keep-alive connection, parsed by httptools
                       generator   sends requests when they are due, whether or not earlier ones have responses
                       process     the generator's own process: JSON in, JSON out
    the outcome        result      levels, percentiles, the JSON file
                       rates       how a ramp chooses
                       ramp        raises the rate until the limit is exceeded
                       measure     from a target, texts and a limit to a result
                       target      a URL, or an artifact that is served during the test
                       plot        latency against rate

The load is open-loop: arrivals don't wait for responses, and latency counts from the moment a request was due. A server
that stalls is charged for every request that was due meanwhile (no coordinated omission).
"""
