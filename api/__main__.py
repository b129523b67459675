"""`python -m api`: runs the control plane."""

from __future__ import annotations

import os
import sys

import uvicorn

from api.errors import DroverError
from api.logs import configure
from api.main import create_app
from api.settings import Settings

__all__ = ["main"]


def main() -> int:
    """Serve until stopped; return the exit code."""
    try:
        settings = Settings.from_environment(os.environ)
        configure(settings.log_level)
        app = create_app(settings)
    except DroverError as error:
        sys.stderr.write(f"drover: {error}\n")
        return 1
    uvicorn.run(
        app,
        host=settings.listen,
        port=settings.port,
        log_config=None,
        access_log=False,  # the perimeter logs requests, escaped
        server_header=False,
        proxy_headers=bool(settings.trusted_proxy),
        forwarded_allow_ips=settings.trusted_proxy or None,
        timeout_keep_alive=30,
        limit_concurrency=500,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
