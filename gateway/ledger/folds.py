"""Alerts as they stand in the ledger's rows, and the latest of them as they were read or written."""

from collections import OrderedDict

from gateway.canonical import is_plain
from gateway.ledger import rows
from gateway.model import Alert

# A press, its pictures and clips fold the same alert a dozen times within seconds; in a storm many do so at once. Some
# 20 kB each.
_KEPT = 512


class Folds:
    """Reads each text once. What is kept is kept by the text itself, so that no rollback can make it untrue."""

    def __init__(self) -> None:
        self._alerts: OrderedDict[str, Alert] = OrderedDict()

    def alert(self, body: str) -> Alert:
        known = self._alerts.get(body)
        if known is None:
            known = rows.alert_from_body(body)
            self._keep(body, known)
        return known

    def body(self, alert: Alert) -> str:
        body = rows.alert_body(alert)
        if is_plain(alert.detail):  # else what is read back is not what was written
            self._keep(body, alert)
        return body

    def _keep(self, body: str, alert: Alert) -> None:
        self._alerts[body] = alert
        if len(self._alerts) > _KEPT:
            self._alerts.popitem(last=False)
