"""Prometheus and Alertmanager of the local site: their configuration and command lines.

Works on Debian 12's versions (Prometheus 2.42, Alertmanager 0.25) and on Prometheus 3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from liftlock.canonical import generated_yaml
from liftlock.sites.local.desired import Desired
from liftlock.sites.local.gateway import Ports
from liftlock.sites.local.layout import HOST, Layout

# Live analysis reads these metrics seconds after a weight changed.
SCRAPE_INTERVAL = "1s"
# Enough to look back over a working day.
RETENTION = "12h"
MADE_BY = "liftlock local up"


def prometheus_config(layout: Layout, rules: tuple[Path, ...]) -> bytes:
    """Scrapes the gateway and whatever `targets.json` lists."""
    return generated_yaml(
        {
            "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
            "rule_files": [str(path) for path in rules],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{layout.alertmanager_port}"]}]}]},
            "scrape_configs": [
                {
                    "job_name": "gateway",
                    "static_configs": [{"targets": [f"{HOST}:{layout.gateway_metrics_port}"]}],
                    # Per-server rows are what analysis and alerts read; the rest is HAProxy's inner life.
                    "metric_relabel_configs": [
                        {
                            "source_labels": ["__name__"],
                            "regex": "haproxy_(server|backend|frontend|process)_.*",
                            "action": "keep",
                        }
                    ],
                },
                {"job_name": "model-servers", "file_sd_configs": [{"files": [str(layout.targets)]}]},
            ],
        },
        MADE_BY,
    )


def alertmanager_config() -> bytes:
    """Keeps alerts on its own page. Where people are paged is the platform plane's (`observability/`)."""
    return generated_yaml(
        {
            "route": {
                "receiver": "page",
                "group_by": ["alertname", "environment", "service"],
                "group_wait": "1s",
                "group_interval": "10s",
                "repeat_interval": "4h",
            },
            "receivers": [{"name": "page"}],
        },
        MADE_BY,
    )


def targets(desired: Desired, ports: Mapping[str, Ports]) -> bytes:
    """Prometheus' file_sd list: one target for each replica that runs, labelled with what it runs."""
    rows = [
        {
            "targets": [f"{HOST}:{ports[replica.process].http}"],
            "labels": {
                "environment": replica.environment,
                "service": replica.service,
                "revision": replica.revision,
                "replica": str(replica.number),
            },
        }
        for replica in desired.replicas
        if replica.process in ports
    ]
    return json.dumps(rows, indent=1).encode()


def prometheus_command(layout: Layout) -> list[str]:
    return [
        "prometheus",
        f"--config.file={layout.prometheus_config}",
        f"--storage.tsdb.path={layout.directory / 'prometheus'}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address={HOST}:{layout.prometheus_port}",
        "--log.level=warn",
    ]


def alertmanager_command(layout: Layout) -> list[str]:
    return [
        "prometheus-alertmanager",
        f"--config.file={layout.alertmanager_config}",
        f"--storage.path={layout.directory / 'alertmanager'}",
        f"--web.listen-address={HOST}:{layout.alertmanager_port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
