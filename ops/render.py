"""`drover render`: the job of a bot, as the control API would submit it on this cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.errors import DroverError
from api.models import BotId, BotSpec, Network
from api.render import JobSettings, render_bot
from ops import docker
from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.settings import Cluster

__all__ = ["render"]

_UNKNOWN_BRIDGE = "172.17.0.1"


def render(cluster: Cluster, bot: str, network: str) -> str:
    """Return the HCL of one bot's job.

    Raises:
        OpsError: the id is none, or a value cannot stand in a job.
    """
    try:
        spec = BotSpec(BotId.parse(bot), Network(network))
        return render_bot(spec, _settings(cluster))
    except DroverError as error:
        raise OpsError(str(error)) from error


def _settings(cluster: Cluster) -> JobSettings:
    # Without a daemon the text can still be read: Docker's own defaults stand in.
    reachable = docker.answers() is not None
    address = docker.bridge().address if reachable else _UNKNOWN_BRIDGE
    image = docker.image_id("drover-bot") if reachable else None
    return JobSettings(
        bot_image=image or "drover-bot:latest",
        redis_addr=f"{address}:{cluster.ports.redis}",
        ledger_addr=f"{address}:{cluster.ports.postgres}",
        paper_grpc=f"{address}:{cluster.ports.venue_grpc}",
        paper_http=f"http://{address}:{cluster.ports.venue_http}",
    )
