import { computed, inject, onScopeDispose, provide, ref, type InjectionKey } from "vue";
import { createClient, Problem } from "../api/client";
import type { Camera, Session, Terminal } from "../api/types";
import { createI18n } from "../i18n";
import { createAlerts } from "./alerts";
import { createClock } from "./clock";
import { createDevices } from "./devices";
import { createDuty } from "./duty";
import { createFlood } from "./flood";
import { createLiveDesk } from "./gate";
import { createKeys } from "./keys";
import { createNodes } from "./nodes";
import { createSettings } from "./settings";
import { createPreferences } from "./preferences";
import { createSound } from "./sound";
import { createStream } from "./stream";
import { createTasks } from "./tasks";
import { createTheme } from "./theme";

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
  const theme = createTheme();
  const clock = createClock();
  const session = ref<Session | null>(null);
  const checked = ref(false);
  const ended = ref(false);

  const client = createClient({ onUnauthorised: () => leave(true), onServerTime: clock.serverSays });
  const preferences = createPreferences(client);
  const sound = createSound();
  const flood = createFlood();
  const duty = createDuty({ i18n, sound, flood, preferences });
  const alerts = createAlerts(client, duty.announce, () => clock.now.value, () => session.value?.user ?? "");
  duty.follow(alerts);
  const cameras = createDevices<Camera>((node) => client.cameras(node));
  const terminals = createDevices<Terminal>((node) => client.terminals(node));
  const nodes = createNodes(client.nodes, (node) => {
    if (cameras.loaded.value) void cameras.reloadNode(node);
    if (terminals.loaded.value) void terminals.reloadNode(node);
  });
  const tasks = createTasks(client);
  const live = createLiveDesk();
  const keys = createKeys(() => preferences.items.value["keys.off"] === true);
  const settings = createSettings(client);
  const stream = createStream({
    url: client.streamUrl,
    onAlerts: alerts.take,
    onCameras: cameras.take,
    onTerminals: terminals.take,
    onNodes: nodes.take,
    onOpen: () => void alerts.reload(),
    onRefused: () => void check(),
  });

  function enter(who: Session): void {
    session.value = who;
    ended.value = false;
    stream.start();
    void alerts.reload();
    void cameras.reload();
    void terminals.reload();
    void nodes.reload();
    void tasks.reload();
    void preferences.reload();
    void settings.reload();
  }

  function leave(byServer: boolean): void {
    if (session.value !== null) ended.value = byServer;
    session.value = null;
    stream.stop();
    alerts.clear();
    cameras.clear();
    terminals.clear();
    nodes.clear();
    tasks.clear();
    live.clear();
    preferences.clear();
    settings.clear();
    duty.clear();
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

  const poll = window.setInterval(() => {
    if (session.value === null) return;
    if (stream.stale.value || alerts.failure.value !== null || !alerts.loaded.value) void alerts.reload();
    void tasks.reload();
    if (!settings.loaded.value) void settings.reload();
    if (!preferences.loaded.value) void preferences.reload();
    for (const devices of [cameras, terminals]) if (!devices.loaded.value) void devices.reload();
  }, RELOAD_MS);
  onScopeDispose(() => clearInterval(poll));

  return {
    i18n, theme, clock, session, checked, ended, node: nodes.own, nodes, announcement: duty.announcement, client, sound, flood, duty, alerts, cameras, terminals, tasks, live, preferences, keys, settings, stream, check,
    canAct: computed(() => session.value?.role === "operator" || session.value?.role === "admin"),
    canConfigure: computed(() => session.value?.role === "maintainer" || session.value?.role === "admin"),
    canAudit: computed(() => session.value?.role === "maintainer" || session.value?.role === "admin"),
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
    /** The client's own failures have keys instead of sentences; the gateway's are English, and told in the reader's language where
     * they are known. */
    sentence(message: string): string {
      if (message === "timeout") return i18n.t("problem.timeout");
      if (message === "network") return i18n.t("problem.network");
      const status = /^status (\d{3})$/.exec(message)?.[1];
      if (status !== undefined) return i18n.t(status === "404" ? "problem.not_there" : status === "413" ? "problem.too_big" : Number(status) >= 500 ? "problem.server" : "problem.refused", { status });
      return i18n.reason(message);
    },
  };
}
