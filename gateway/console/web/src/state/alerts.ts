import { computed, ref, shallowRef } from "vue";
import type { Client } from "../api/client";
import { isOpen, OPEN_WORKFLOWS, type Alert } from "../api/types";
import { merged } from "./merge";

export type Tab = "open" | "all" | "closed";

const OPEN_PAGE = "500";
const MAX_OPEN_PAGES = 8;
const HISTORY_PAGE = "50";

export type Alerts = ReturnType<typeof createAlerts>;

/** Two live lists: every open alert (what a shift must not lose sight of), and a page-wise history. */
export function createAlerts(client: Client, announce: (fresh: Alert[]) => void) {
  const open = shallowRef<Alert[]>([]);
  const history = shallowRef<Alert[]>([]);
  const tab = ref<Tab>("open");
  const search = ref("");
  const next = ref<string | null>(null);
  const loading = ref(false);
  const loaded = ref(false);
  const failure = ref<string | null>(null);
  /** The newest thing heard of any alert, for whoever shows one: id → version. */
  const latest = shallowRef<{ id: string; version: number; alert: Alert } | null>(null);
  let generation = 0;
  let reloading = false;
  let again = false;
  /** What was heard while a reload was under way: the fetched list may be older than it. */
  let heardMeanwhile: Alert[] = [];

  const shown = computed(() => (tab.value === "open" ? open.value.filter((alert) => matches(alert, search.value)) : history.value));
  const unacknowledged = computed(() => open.value.filter((alert) => alert.workflow === "new" && alert.status === "actual"));

  async function everyOpen(): Promise<Alert[]> {
    const items: Alert[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MAX_OPEN_PAGES; page += 1) {
      const answer = await client.alerts({ workflow: OPEN_WORKFLOWS.join(","), limit: OPEN_PAGE, cursor });
      items.push(...answer.items);
      cursor = answer.next;
      if (cursor === null) break;
    }
    return items;
  }

  /** Reload the open list. What the stream said meanwhile is newer and wins. */
  async function reload(): Promise<void> {
    if (reloading) {
      again = true;
      return;
    }
    reloading = true;
    try {
      do {
        again = false;
        heardMeanwhile = [];
        const before = open.value;
        const items = await everyOpen();
        const gone = new Set(before.map((alert) => alert.id));
        for (const alert of items) gone.delete(alert.id);
        const known = new Set(before.map((alert) => alert.id));
        const since = open.value.filter((alert) => !gone.has(alert.id));
        const fresh = items.filter((alert) => !known.has(alert.id) && alert.workflow === "new");
        const everything = merged(merged(since, items, () => true), heardMeanwhile, () => true);
        open.value = everything.filter(isOpen);
        if (loaded.value && fresh.length > 0) announce(fresh);
        loaded.value = true;
        failure.value = null;
      } while (again);
    } catch (error) {
      failure.value = (error as Error).message;
    } finally {
      reloading = false;
    }
  }

  function historyFilter(): Record<string, string | null> {
    const words = search.value.trim();
    return { workflow: tab.value === "closed" ? "closed,cancelled" : null, q: words === "" ? null : words, limit: HISTORY_PAGE };
  }

  async function loadHistory(more: boolean): Promise<void> {
    const mine = ++generation;
    loading.value = true;
    try {
      const page = await client.alerts({ ...historyFilter(), cursor: more ? next.value : null });
      if (mine !== generation) return;
      history.value = merged(more ? history.value : [], page.items, belongs);
      next.value = page.next;
      failure.value = null;
    } catch (error) {
      if (mine === generation) failure.value = (error as Error).message;
    } finally {
      if (mine === generation) loading.value = false;
    }
  }

  function belongs(alert: Alert): boolean {
    return tab.value !== "closed" || !isOpen(alert);
  }

  /** Take alerts from the stream or from an action's answer. */
  function take(alerts: Alert[]): void {
    if (reloading) heardMeanwhile.push(...alerts);
    const known = new Set(open.value.map((alert) => alert.id));
    const fresh = alerts.filter((alert) => !known.has(alert.id) && alert.workflow === "new");
    open.value = merged(open.value, alerts, isOpen);
    if (tab.value !== "open") {
      const present = new Set(history.value.map((alert) => alert.id));
      const wanted = alerts.filter((alert) => present.has(alert.id) || matches(alert, search.value));
      history.value = merged(history.value, wanted, belongs);
    }
    for (const alert of alerts) latest.value = { id: alert.id, version: alert.version, alert };
    if (loaded.value && fresh.length > 0) announce(unique(fresh));
  }

  return {
    open, shown, tab, search, next, loading, loaded, failure, unacknowledged, latest,
    reload,
    take,
    async choose(next: Tab): Promise<void> {
      tab.value = next;
      history.value = [];
      if (next !== "open") await loadHistory(false);
    },
    async find(words: string): Promise<void> {
      search.value = words;
      if (tab.value !== "open") await loadHistory(false);
    },
    more: () => loadHistory(true),
    clear(): void {
      generation += 1;
      open.value = [];
      history.value = [];
      loaded.value = false;
      tab.value = "open";
      search.value = "";
      next.value = null;
    },
  };
}

function matches(alert: Alert, words: string): boolean {
  const wanted = words.trim().toLowerCase();
  if (wanted === "") return true;
  return [alert.source.name, alert.source.id, alert.place.address, alert.title, alert.id]
    .some((text) => text !== null && text.toLowerCase().includes(wanted));
}

function unique(alerts: Alert[]): Alert[] {
  return [...new Map(alerts.map((alert) => [alert.id, alert])).values()];
}
