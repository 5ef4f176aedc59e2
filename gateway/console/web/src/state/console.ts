import { computed, inject, onScopeDispose, provide, ref, watch, type InjectionKey } from "vue";
import { createClient, Problem } from "../api/client";
import type { Alert, Camera, Node, Session, Terminal } from "../api/types";
import { createI18n } from "../i18n";
import { createAlerts } from "./alerts";
import { createClock } from "./clock";
import { createDevices } from "./devices";
import { createSound } from "./sound";
import { createStream } from "./stream";

/** While the stream is silent the list is fetched instead; what could not be loaded is asked for again as often. */
const RELOAD_MS = 10_000;

export type Console = ReturnType<typeof createConsole>;
const KEY: InjectionKey<Console> = Symbol("console");

export function provideConsole(): Console {
  const console = createConsole();
  provide(KEY, console);
  return console;
}

export function useConsole(): Console {
  const console = inject(KEY);
  if (console === undefined) throw new Error("no console is provided");
  return console;
}

/** The composition root of the page: the session, and what lives while it lasts. */
function createConsole() {
  const i18n = createI18n();
  const clock = createClock();
  const session = ref<Session | null>(null);
  const checked = ref(false);
  const ended = ref(false);
  const node = ref<Node | null>(null);
  const announcement = ref("");

  const client = createClient({ onUnauthorised: () => leave(true), onServerTime: clock.serverSays });
  const sound = createSound();
  const alerts = createAlerts(client, announce);
  const cameras = createDevices<Camera>(client.cameras);
  const terminals = createDevices<Terminal>(client.terminals);
  const stream = createStream({
    url: client.streamUrl,
    onAlerts: alerts.take,
    onCameras: cameras.take,
    onTerminals: terminals.take,
    onOpen: () => void alerts.reload(),
    onRefused: () => void check(),
  });

  function announce(fresh: Alert[]): void {
    const [first] = fresh;
    if (first === undefined) return;
    announcement.value = fresh.length > 1
      ? i18n.t("alerts.announce.many", { count: fresh.length })
      : i18n.t("alerts.announce", {
          severity: i18n.word("severity", first.severity),
          kind: i18n.word("kind", first.kind),
          who: first.source.name ?? first.source.id,
          where: first.place.address ?? i18n.t("detail.where.none"),
        });
  }

  function enter(who: Session): void {
    session.value = who;
    ended.value = false;
    stream.start();
    void alerts.reload();
    void cameras.reload();
    void terminals.reload();
    client.nodes().then(
      (nodes) => { node.value = nodes[0] ?? null; },
      () => { node.value = null; }, // only the name in the header; the lists show the same failure in words
    );
  }

  function leave(byServer: boolean): void {
    if (session.value !== null) ended.value = byServer;
    session.value = null;
    stream.stop();
    alerts.clear();
    cameras.clear();
    terminals.clear();
    sound.hear([]);
    announcement.value = "";
  }

  /** Is there a session? A server that cannot be reached just now does not end one. */
  async function check(): Promise<void> {
    try {
      const who = await client.session();
      if (session.value === null) enter(who);
    } catch (error) {
      if (error instanceof Problem && error.status === 401) leave(true);
    } finally {
      checked.value = true;
    }
  }

  watch(
    () => alerts.unacknowledged.value.filter((alert) => alert.severity === 1).map((alert) => alert.id),
    (ids) => sound.hear(ids),
  );
  const poll = window.setInterval(() => {
    if (session.value === null) return;
    if (stream.stale.value || alerts.failure.value !== null || !alerts.loaded.value) void alerts.reload();
    for (const devices of [cameras, terminals]) if (!devices.loaded.value) void devices.reload();
  }, RELOAD_MS);
  onScopeDispose(() => clearInterval(poll));

  return {
    i18n, clock, session, checked, ended, node, announcement, client, sound, alerts, cameras, terminals, stream, check,
    canAct: computed(() => session.value?.role === "operator" || session.value?.role === "admin"),
    async login(username: string, password: string): Promise<void> {
      enter(await client.login(username, password));
    },
    async logout(): Promise<void> {
      try {
        await client.logout();
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 401) {
          alerts.failure.value = (error as Error).message; // the session still stands: nobody shall think otherwise
          return;
        }
      }
      leave(false);
    },
    /** The client's own failures have keys instead of sentences. */
    sentence(message: string): string {
      if (message === "timeout") return i18n.t("problem.timeout");
      if (message === "network") return i18n.t("problem.network");
      return message;
    },
  };
}
