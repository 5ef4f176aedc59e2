import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import { Problem } from "../api/client";
import type { StreamName } from "../api/live";
import { useConsole } from "./console";
import { useStills } from "./stills";
import { browserHasWebRtc, openWhep, type LiveFigures, type Whep } from "./whep";

/** `stills`: a picture each second instead; `refused`: nothing may be shown. */
export type LiveMode = "connecting" | "live" | "stills" | "paused" | "refused";

const STALLED_MS = 3_000;
/** Where moving pictures begin with the next keyframe: cameras send one each 1 to 10 s. */
const KEYFRAME_MS = 15_000;
const BACKOFF_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000] as const;
/** A view that has lasted this long starts the back-off anew. */
const STEADY_MS = 10_000;

export interface LiveRates {
  fps: number;
  kbits: number;
  loss: number;
  delay: number;
  codec: string | null;
  width: number;
  height: number;
}

export interface LiveWish {
  cameraId: string;
  reason: string;
  stream: StreamName;
  /** Somebody can see it and has not stopped it. */
  wanted: boolean;
}

/** A camera as it is now: by WebRTC, else as stills with the reason why. `video` shows it. */
export function useLive(wish: () => LiveWish, video: Ref<HTMLVideoElement | null>) {
  const desk = useConsole();
  const { t, reason: translated } = desk.i18n;
  const mode = ref<LiveMode>("connecting");
  const why = ref<string | null>(null);
  const retrying = ref(false);
  const rates = shallowRef<LiveRates | null>(null);
  const start = ref<"gop" | "idr">("gop");
  const moving = ref(false);
  /** The still is what is looked at: no frame is on the screen. */
  const stills = useStills(computed(() => ({ ...wish(), wanted: wish().wanted && (mode.value === "connecting" || mode.value === "stills") })));

  let whep: Whep | null = null;
  let turn = 0;
  let failures = 0;
  let timer: number | undefined;
  let ticker: number | undefined;

  function end(): void {
    turn += 1;
    clearTimeout(timer);
    clearInterval(ticker);
    retrying.value = false;
    whep?.close();
    whep = null;
    rates.value = null;
    moving.value = false;
    if (video.value !== null) video.value.srcObject = null;
  }

  function begin(): void {
    end();
    if (!wish().wanted) {
      mode.value = "paused";
      return;
    }
    if (!browserHasWebRtc()) return settle(t("live.why.no_webrtc"));
    mode.value = "connecting";
    void connect(turn);
  }

  async function connect(mine: number): Promise<void> {
    const { cameraId, reason, stream } = wish();
    try {
      const opened = await desk.live.views(() => {
        if (mine !== turn) throw new Problem(0, "gone"); // it waited its turn behind others and nobody wants it any more
        return openWhep({ client: desk.client, cameraId, reason, stream, onLost: () => { if (mine === turn) again(t("live.why.lost")); } });
      });
      if (mine !== turn) return opened.close();
      show(opened, mine);
    } catch (error) {
      if (mine === turn) refusedWith(error);
    }
  }

  function show(opened: Whep, mine: number): void {
    const element = video.value;
    if (element === null) return opened.close();
    whep = opened;
    start.value = opened.start;
    element.srcObject = opened.stream;
    void element.play().catch(() => undefined); // taken away again before it began
    firstFrame(element, () => {
      if (mine !== turn) return;
      mode.value = "live";
      why.value = null;
      retrying.value = false;
    });
    watchOver(opened, mine);
  }

  /** Frames are counted rather than seen: a browser paints none of a tile that is out of view. */
  function watchOver(opened: Whep, mine: number): void {
    const began = performance.now();
    let last: (LiveFigures & { at: number }) | null = null;
    let advanced = began;
    ticker = window.setInterval(() => {
      void opened.figures().then((figures) => {
        if (mine !== turn || figures === null) return;
        const at = performance.now();
        if (last !== null) rates.value = ratesOf(last, figures, at - last.at);
        if (figures.frames > (last?.frames ?? 0)) advanced = at;
        last = { ...figures, at };
        moving.value = figures.frames > 2;
        if (moving.value && at - began > STEADY_MS) failures = 0;
        const patience = opened.start === "idr" && figures.frames < 3 ? KEYFRAME_MS : STALLED_MS;
        if (at - advanced > patience) again(t(figures.frames === 0 ? "live.why.no_frames" : "live.why.stalled"));
      });
    }, 1000);
  }

  function refusedWith(error: unknown): void {
    const status = error instanceof Problem ? error.status : 0;
    const words = translated(desk.sentence((error as Error).message));
    if (status === 401 || status === 403 || status === 422) {
      end();
      mode.value = "refused";
      why.value = words;
    } else if (status === 404 || (status >= 405 && status <= 415)) {
      settle(words); // asking again changes nothing: a codec that browsers are not shown, a node that has no live views
    } else {
      again(words, error instanceof Problem ? error.retryAfter : null);
    }
  }

  function settle(words: string): void {
    end();
    mode.value = "stills";
    why.value = words;
  }

  function again(words: string, afterSeconds: number | null = null): void {
    settle(words);
    const wait = afterSeconds === null ? BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)] : afterSeconds * 1000;
    failures += 1;
    retrying.value = true;
    const mine = turn;
    timer = window.setTimeout(() => { if (mine === turn) void connect(mine); }, wait);
  }

  watch(() => [wish().cameraId, wish().reason, wish().stream, wish().wanted, video.value === null], () => {
    if (video.value === null) return; // there is no place for a picture yet, or no longer
    failures = 0;
    why.value = null;
    begin();
  }, { immediate: true, flush: "post" });
  addEventListener("pagehide", end);
  onScopeDispose(() => {
    removeEventListener("pagehide", end);
    end();
  });

  return { mode, why, retrying, rates, start, moving, still: stills.still, stillProblem: stills.problem, again: begin };
}

function ratesOf(before: LiveFigures, now: LiveFigures, ms: number): LiveRates {
  const packets = now.packets - before.packets;
  const lost = Math.max(0, now.lost - before.lost);
  const emitted = now.emitted - before.emitted;
  return {
    fps: ((now.frames - before.frames) * 1000) / ms,
    kbits: ((now.bytes - before.bytes) * 8) / ms,
    loss: packets + lost === 0 ? 0 : (lost * 100) / (packets + lost),
    delay: emitted === 0 ? 0 : ((now.waited - before.waited) * 1000) / emitted,
    codec: now.codec,
    width: now.width,
    height: now.height,
  };
}

/** `requestVideoFrameCallback` tells of the first frame that is really on the screen; `playing` comes close where it is missing. */
function firstFrame(element: HTMLVideoElement, seen: () => void): void {
  if ("requestVideoFrameCallback" in element) element.requestVideoFrameCallback(seen);
  else (element as HTMLVideoElement).addEventListener("playing", seen, { once: true });
}
