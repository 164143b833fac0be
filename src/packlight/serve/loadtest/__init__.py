"""Load: what a server carries, measured from outside by a generator in a process of its own.

    plan of requests   arrivals    Poisson times, drawn before the clock starts
    the wire           job         what the generator is told, and what it says
                       request     texts to the bytes of requests, once
                       connection  one keep-alive connection, parsed by httptools
                       generator   sends what is due, whatever is still unanswered
                       process     the generator's own process: JSON in, JSON out
    the outcome        result      levels, percentiles, the JSON file
                       rates       how a ramp chooses
                       ramp        from level to level until the bound breaks
                       measure     a target, texts and a bound to a result
                       target      a URL, or an artifact that is served during the test
                       plot        latency against rate

Open loop: arrivals do not wait for answers, and a request's latency counts from the moment it was due. A server that
stalls is charged for every request that fell due meanwhile (no coordinated omission).
"""
