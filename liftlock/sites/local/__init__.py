"""The local site: real model servers, HAProxy, Prometheus and Alertmanager as supervised processes on loopback."""
