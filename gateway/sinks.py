"""The sinks that a configuration names, put together."""

from collections.abc import Sequence
from typing import Any

from adapters.cascade.settings import CascadeSinkSettings
from adapters.cascade.sink import CascadeSink
from adapters.notify.settings import NotifySettings
from adapters.notify.sink import NotifySink
from adapters.webhook.settings import WebhookSettings
from adapters.webhook.sink import AlertLookup, WebhookSink
from gateway.config import Settings
from gateway.config.allowed import partners_of
from gateway.console.views import alert_json
from gateway.delivery.desk import DeliveryDesk, SinkCard
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.reconciliation import Reconciler
from gateway.ports import Clock, Ledger, MediaStore, Sink


def sinks_of(settings: Settings, ledger: Ledger, media: MediaStore, clock: Clock) -> list[Sink]:
    """In the order of the configuration."""
    node = settings.node.id
    made: list[Sink] = []
    for sink in settings.sinks:
        if isinstance(sink, CascadeSinkSettings):
            made.append(CascadeSink(sink, node, media))
        elif isinstance(sink, NotifySettings):
            made.append(NotifySink(sink, reach=partners_of(settings.allow)))
        elif isinstance(sink, WebhookSettings):
            partners = partners_of(settings.allow)
            made.append(WebhookSink(sink, node, alert_lookup(ledger), clock, reach=partners))
    return made


def alert_lookup(ledger: Ledger) -> AlertLookup:
    """What a partner is told of an alert: what the API shows in a list, as it stands now."""

    async def look_up(alert_id: str) -> dict[str, Any] | None:
        stored = await ledger.read(lambda reader: reader.alert(alert_id))
        return None if stored is None else alert_json(stored)

    return look_up


def delivery_desk_of(
    settings: Settings, ledger: Ledger, sinks: Sequence[Sink], forwarder: Forwarder, clock: Clock
) -> tuple[DeliveryDesk, Reconciler]:
    """``sinks``: all that ``forwarder`` serves. The reconciler is the caller's to run."""
    named = [*settings.sinks, *(source for source in settings.sources if any(sink.id == source.id for sink in sinks))]
    cards = [
        SinkCard(each.id, each.kind, getattr(each, "standby_for", None), getattr(each, "budget", None))
        for each in named
    ]
    reconciler = Reconciler(ledger, [sink for sink in sinks if isinstance(sink, CascadeSink)], clock)
    return DeliveryDesk(ledger, forwarder, reconciler, cards, clock), reconciler
