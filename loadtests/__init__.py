"""Open-loop load tests on Locust: honest latency, recorded request by request."""
