import { computed, onScopeDispose, ref } from "vue";
import type { Alert, Camera, Node, Terminal } from "../api/types";

/** The server pings at least every 15 s: two missed ones are silence, a third is a dead connection. */
export const STALE_AFTER_MS = 30_000;
const REOPEN_AFTER_MS = 45_000;
const RETRY_MS = [1_000, 2_000, 5_000, 10_000] as const;
/** Events are handed on in batches, so that a storm redraws a few times a second and not a thousand. */
const BATCH_MS = 100;

export interface StreamEvents {
  onAlerts: (alerts: Alert[]) => void;
  onCameras: (cameras: Camera[]) => void;
  onTerminals: (terminals: Terminal[]) => void;
  onNodes: (nodes: Node[]) => void;
  /** A connection stands: reload what is shown, events may have been missed. */
  onOpen: () => void;
  /** The server refused the stream: is the session still good? */
  onRefused: () => void;
  url: (lastEventId: string | null) => string;
}

export type Stream = ReturnType<typeof createStream>;

export function createStream(events: StreamEvents) {
  const connected = ref(false);
  const silentMs = ref(0);
  let source: EventSource | null = null;
  let lastEventId: string | null = null;
  let lastHeard = performance.now();
  /** A computer that slept: its monotonic clock stood still meanwhile, the wall clock did not. */
  let lastHeardAt = Date.now();
  let attempt = 0;
  let retry: number | undefined;
  let flush: number | undefined;
  let running = false;
  const waiting = { alert: [] as Alert[], camera: [] as Camera[], terminal: [] as Terminal[], node: [] as Node[] };

  function heard(): void {
    lastHeard = performance.now();
    lastHeardAt = Date.now();
    silentMs.value = 0;
  }

  function deliver(): void {
    flush = undefined;
    const { alert, camera, terminal, node } = waiting;
    waiting.alert = [];
    waiting.camera = [];
    waiting.terminal = [];
    waiting.node = [];
    if (alert.length > 0) events.onAlerts(alert);
    if (camera.length > 0) events.onCameras(camera);
    if (terminal.length > 0) events.onTerminals(terminal);
    if (node.length > 0) events.onNodes(node);
  }

  function note(event: MessageEvent<string>): void {
    heard();
    if (event.lastEventId !== "") lastEventId = event.lastEventId;
  }

  function take(name: keyof typeof waiting, event: MessageEvent<string>): void {
    note(event);
    const value = parsed(event.data);
    if (value === null) return;
    (waiting[name] as unknown[]).push(value);
    flush ??= window.setTimeout(deliver, BATCH_MS);
  }

  function open(): void {
    retry = undefined;
    source = new EventSource(events.url(lastEventId));
    const mine = source;
    mine.addEventListener("open", () => {
      connected.value = true;
      attempt = 0;
      heard();
      events.onOpen();
    });
    for (const name of ["alert", "camera", "terminal", "node"] as const) {
      mine.addEventListener(name, (event) => take(name, event as MessageEvent<string>));
    }
    mine.addEventListener("ping", (event) => note(event as MessageEvent<string>));
    mine.addEventListener("error", () => {
      connected.value = false;
      // CONNECTING: the browser resumes by itself with Last-Event-ID. CLOSED: it was refused and gives up.
      if (mine.readyState !== EventSource.CLOSED) return;
      mine.close();
      if (source !== mine) return;
      events.onRefused();
      later();
    });
  }

  function later(): void {
    if (!running || retry !== undefined) return;
    const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 10_000;
    attempt += 1;
    retry = window.setTimeout(open, wait * (0.5 + Math.random() / 2));
  }

  function watch(): void {
    if (!running) return;
    silentMs.value = Math.max(performance.now() - lastHeard, Date.now() - lastHeardAt);
    if (silentMs.value < REOPEN_AFTER_MS || source === null || retry !== undefined) return;
    // A connection that is open and dead (a pulled cable) is noticed by nobody else.
    lastHeard = performance.now() - STALE_AFTER_MS;
    lastHeardAt = Date.now() - STALE_AFTER_MS;
    connected.value = false;
    source.close();
    source = null;
    later();
  }

  const timer = window.setInterval(watch, 1000);

  function stop(): void {
    running = false;
    source?.close();
    source = null;
    clearTimeout(retry);
    clearTimeout(flush);
    retry = undefined;
    flush = undefined;
    connected.value = false;
    lastEventId = null;
    attempt = 0;
    waiting.alert = [];
    waiting.camera = [];
    waiting.terminal = [];
    waiting.node = [];
  }

  onScopeDispose(() => {
    clearInterval(timer);
    stop();
  });

  return {
    connected,
    silentMs,
    stale: computed(() => silentMs.value >= STALE_AFTER_MS),
    start(): void {
      stop();
      running = true;
      heard();
      open();
    },
    stop,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // one broken event must not end the stream; the list is reloaded at every reconnect
  }
}
