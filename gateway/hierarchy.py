"""This node among the others: what it tells the nodes above it, and what it knows of those below."""

import asyncio
import contextlib
from collections.abc import Sequence

from gateway import __version__
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.silence import SilenceAlerts
from gateway.config import Settings
from gateway.console.accounts import Accounts
from gateway.errors import GatewayError
from gateway.observability.node_metrics import NodeFigures, NodeScene, own_figures
from gateway.ports import Clock, Ledger, Reporting
from gateway.reporting.attendance import NodeState
from gateway.reporting.holding import NodeCard
from gateway.reporting.own import Inventory, OwnDevices, Watched
from gateway.reporting.reporter import Reporter
from gateway.reporting.subtree import Subtree
from gateway.reporting.watch import Watch

_GOODBYE_S = 0.5  # the contract gives 10 s to the whole stop, most of it to the video workers


class Hierarchy:
    """``below`` is what the console shows and the exchange fills; ``report_to`` names the upper nodes before ``run``."""

    def __init__(
        self,
        settings: Settings,
        inventory: Inventory,
        video: Watched,
        ledger: Ledger,
        accounts: Accounts,
        policy: IntakePolicy,
        clock: Clock,
    ) -> None:
        node = settings.node
        card = NodeCard(node.id, node.name or node.id, node.level.value, node.area_code, __version__)
        self.below = Subtree(node.id, clock, nodes=accounts.lower_nodes)
        self._own = OwnDevices(card, inventory, video)
        self._watch = Watch(self.below, ledger, SilenceAlerts(ledger, policy, clock), clock)
        self._clock = clock
        self._reporter = Reporter((), self._own, self.below, own_figures, clock)

    def report_to(self, uppers: Sequence[Reporting]) -> None:
        self._reporter = Reporter(uppers, self._own, self.below, own_figures, self._clock)

    def connected(self, sink_id: str) -> None:
        """The downlink of this upper node stands."""
        self._reporter.connected(sink_id)

    async def run(self) -> None:
        """For ever. When it is cancelled the nodes above are told that this one stops."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch.run(), name="lower nodes")
                group.create_task(self._reporter.run(), name="reports")
        finally:
            with contextlib.suppress(GatewayError, TimeoutError):
                await self._reporter.goodbye(_GOODBYE_S)

    def scene(self) -> NodeScene:
        return NodeScene(
            [
                NodeFigures(
                    view.card.id,
                    view.state is NodeState.ONLINE,
                    view.last_heard,
                    dict(view.cameras),
                    dict(view.terminals),
                    dict(view.figures),
                )
                for view in self.below.views()
            ]
        )
