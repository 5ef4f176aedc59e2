import { computed, ref, shallowRef } from "vue";
import type { Client } from "../api/client";
import { isOpen, isShelved, OPEN_WORKFLOWS, type Alert } from "../api/types";
import { asked, matches, noFilter, type Filter } from "./filter";
import { merged } from "./merge";
import { sorted, type Sort } from "./ordering";

export type Tab = "open" | "all" | "closed";

const PAGE = "500";
/** 12,000 open alerts: more than a county ever has; a guard against a list that never ends. */
const MAX_OPEN_PAGES = 24;
const HISTORY_PAGE = "100";
/** Alerts that left the open list lately, for whoever still has them before his eyes. */
const KEPT = 500;
const COARSE_MS = 5_000;

export type Alerts = ReturnType<typeof createAlerts>;

/** Two live lists: every open alert (what a shift must not lose sight of), and a page-wise history. */
export function createAlerts(client: Client, announce: (fresh: Alert[]) => void, now: () => number, user: () => string) {
  const open = shallowRef<Alert[]>([]);
  const history = shallowRef<Alert[]>([]);
  const tab = ref<Tab>("open");
  const filter = ref<Filter>(noFilter());
  const sort = ref<Sort>("urgent");
  const chosen = shallowRef<ReadonlySet<string>>(new Set());
  const next = ref<string | null>(null);
  const loading = ref(false);
  const loaded = ref(false);
  const failure = ref<string | null>(null);
  /** The newest thing heard of any alert, for whoever shows one: id → version. */
  const latest = shallowRef<{ id: string; version: number; alert: Alert } | null>(null);
  const left = new Map<string, Alert>();
  let generation = 0;
  let generationOfHistory = 0;
  let reloading = false;
  let again = false;
  /** What was heard while a reload was under way: the fetched list may be older than it. */
  let heardMeanwhile: Alert[] = [];

  /** What depends on the time of day is reckoned anew now and then, not each second. */
  const coarse = computed(() => Math.floor(now() / COARSE_MS) * COARSE_MS);
  const byId = computed(() => new Map([...history.value, ...open.value].map((alert) => [alert.id, alert])));
  /** What of the open ones was set aside; when that ends, it is there again with the next coarse step of the clock. */
  const shelved = computed(() => {
    const some = open.value.filter((alert) => alert.detail.shelved !== undefined);
    return new Set(some.length === 0 ? [] : some.filter((alert) => isShelved(alert, coarse.value)).map((alert) => alert.id));
  });
  const calling = computed(() => (shelved.value.size === 0 ? open.value : open.value.filter((alert) => !shelved.value.has(alert.id))));
  const shown = computed(() => {
    const here = filter.value.shelved ? open.value.filter((alert) => shelved.value.has(alert.id)) : calling.value;
    const all = tab.value === "open" ? here : history.value.filter((alert) => !filter.value.shelved || isShelved(alert, coarse.value));
    const timed = filter.value.overdue || filter.value.hours !== null || sort.value === "due";
    const moment = timed ? coarse.value : 0;
    const who = user();
    return sorted(all.filter((alert) => matches(alert, filter.value, who, moment)), sort.value, moment);
  });
  const unacknowledged = computed(() => calling.value.filter((alert) => alert.workflow === "new" && alert.status === "actual"));

  async function reload(): Promise<void> {
    if (reloading) {
      again = true;
      return;
    }
    reloading = true;
    try {
      do {
        again = false;
        await loadOpen();
      } while (again);
      failure.value = null;
    } catch (error) {
      failure.value = (error as Error).message;
    } finally {
      reloading = false;
    }
  }

  /** Page by page, shown as they come. What the stream said meanwhile is newer and wins. */
  async function loadOpen(): Promise<void> {
    heardMeanwhile = [];
    const known = new Set(open.value.map((alert) => alert.id));
    const found = new Set<string>();
    const fresh: Alert[] = [];
    let cursor: string | null = null;
    const mine = generation;
    for (let page = 0; page < MAX_OPEN_PAGES; page += 1) {
      const answer = await client.alerts({ workflow: OPEN_WORKFLOWS.join(","), limit: PAGE, cursor });
      if (mine !== generation) return;
      for (const alert of answer.items) {
        found.add(alert.id);
        if (!known.has(alert.id) && alert.workflow === "new") fresh.push(alert);
      }
      open.value = merged(merged(open.value, answer.items, () => true), heardMeanwhile, isOpen);
      cursor = answer.next;
      if (cursor === null) break;
    }
    // what was open and is nowhere in the answer has been closed while nobody told us
    const told = new Set(heardMeanwhile.map((alert) => alert.id));
    if (cursor === null) open.value = open.value.filter((alert) => !known.has(alert.id) || found.has(alert.id) || told.has(alert.id));
    if (loaded.value && fresh.length > 0) announce(fresh);
    loaded.value = true;
  }

  async function loadHistory(more: boolean): Promise<void> {
    if (more && (loading.value || next.value === null)) return;
    const mine = ++generationOfHistory;
    loading.value = true;
    try {
      const workflow = filter.value.workflow.length > 0 ? filter.value.workflow.join(",") : tab.value === "closed" ? "closed,cancelled" : null;
      const page = await client.alerts({ ...asked(filter.value, now()), workflow, limit: HISTORY_PAGE, cursor: more ? next.value : null });
      if (mine !== generationOfHistory) return;
      history.value = merged(more ? history.value : [], page.items, belongs);
      next.value = page.next;
      failure.value = null;
    } catch (error) {
      if (mine === generationOfHistory) failure.value = (error as Error).message;
    } finally {
      if (mine === generationOfHistory) loading.value = false;
    }
  }
  function belongs(alert: Alert): boolean {
    return tab.value !== "closed" || !isOpen(alert);
  }

  function remember(alerts: readonly Alert[]): void {
    for (const alert of alerts) {
      left.delete(alert.id);
      if (!isOpen(alert)) left.set(alert.id, alert);
    }
    for (const id of left.keys()) {
      if (left.size <= KEPT) break;
      left.delete(id);
    }
  }

  /** Take alerts from the stream or from an action's answer. */
  function take(alerts: Alert[]): void {
    if (reloading) heardMeanwhile.push(...alerts);
    const known = new Set(open.value.map((alert) => alert.id));
    const fresh = alerts.filter((alert) => !known.has(alert.id) && alert.workflow === "new");
    remember(alerts);
    open.value = merged(open.value, alerts, isOpen);
    if (tab.value !== "open") {
      const present = new Set(history.value.map((alert) => alert.id));
      const wanted = alerts.filter((alert) => present.has(alert.id) || matches(alert, filter.value, user(), now()));
      history.value = merged(history.value, wanted, belongs);
    }
    for (const alert of alerts) latest.value = { id: alert.id, version: alert.version, alert };
    if (loaded.value && fresh.length > 0) announce(unique(fresh));
  }

  return {
    open, calling, shelved, shown, tab, filter, sort, chosen, next, loading, loaded, failure, unacknowledged, latest,
    reload,
    take,
    /** As it stands last, also when it has just left the list. */
    find: (id: string): Alert | null => byId.value.get(id) ?? left.get(id) ?? null,
    async choose(wanted: Tab): Promise<void> {
      tab.value = wanted;
      history.value = [];
      next.value = null;
      chosen.value = new Set();
      if (wanted !== "open") await loadHistory(false);
    },
    async narrow(wanted: Filter): Promise<void> {
      filter.value = wanted;
      if (tab.value !== "open") await loadHistory(false);
    },
    more: () => loadHistory(true),
    /** Select, or deselect, these. */
    mark(ids: readonly string[], on: boolean): void {
      const marked = new Set(chosen.value);
      for (const id of ids) if (on) marked.add(id); else marked.delete(id);
      chosen.value = marked;
    },
    clear(): void {
      generation += 1;
      generationOfHistory += 1;
      open.value = [];
      history.value = [];
      left.clear();
      chosen.value = new Set();
      loaded.value = false;
      tab.value = "open";
      filter.value = noFilter();
      next.value = null;
    },
  };
}

function unique(alerts: Alert[]): Alert[] {
  return [...new Map(alerts.map((alert) => [alert.id, alert])).values()];
}
