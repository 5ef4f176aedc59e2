import { computed, onScopeDispose, ref, shallowRef } from "vue";

/** How often each severity is heard again until somebody takes it; the fourth is heard once. */
const REPEAT_MS: Record<number, number> = { 1: 3_000, 2: 6_000, 3: 15_000 };
/** In a flood one tone now and then: forty sirens tell no more than one, and nobody can speak on the telephone. */
const FLOOD_MS = 10_000;
const TICK_MS = 250;
/** [Hz, from, length] in seconds. Each severity has a figure of its own, so that it is known without looking. */
const FIGURES: Record<number, readonly (readonly [number, number, number])[]> = {
  1: [0, 1, 2].flatMap((turn) => [[880, turn * 0.36, 0.16], [660, turn * 0.36 + 0.18, 0.16]] as const),
  2: [[740, 0, 0.2], [740, 0.3, 0.2], [740, 0.6, 0.2]],
  3: [[520, 0, 0.25], [415, 0.3, 0.3]],
  4: [[440, 0, 0.3]],
};
const FLOOD_FIGURE = [[988, 0, 0.45]] as const;
const PROOF = [[880, 0, 0.08]] as const;
const STORAGE_KEY = "gateway.on-duty";

export type Sound = ReturnType<typeof createSound>;
export interface Loud { id: string; severity: number }

/**
 * The siren, made by WebAudio. It sounds while `loud` holds alerts that nobody silenced, the gravest of them, and only on duty.
 * Browsers let a page sound only after a click; `blocked` says that this one still refuses.
 */
export function createSound() {
  const supported = typeof AudioContext !== "undefined";
  const onDuty = ref(supported && remembered());
  const running = ref(false);
  const loud = shallowRef<readonly Loud[]>([]);
  const volume = ref(1);
  /** Alerts of a higher number than this make no sound. */
  const quietest = ref(3);
  const flood = ref(false);
  const silenced = ref(new Set<string>());
  const beeps = ref(0);
  let context: AudioContext | null = null;
  let played = -Infinity;

  const gravest = computed(() => Math.min(...loud.value.filter((one) => one.severity <= quietest.value && !silenced.value.has(one.id)).map((one) => one.severity)));
  const sounding = computed(() => onDuty.value && Number.isFinite(gravest.value));

  async function wake(): Promise<void> {
    if (!supported) return;
    if (context === null) {
      context = new AudioContext();
      context.addEventListener("statechange", () => {
        running.value = context?.state === "running";
      });
    }
    await context.resume().catch(() => undefined); // refused: `blocked` stays and says so
    running.value = context.state === "running";
  }

  function tone(hertz: number, at: number, seconds: number): void {
    if (context === null) return;
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    const peak = 0.2 * volume.value;
    oscillator.type = "square";
    oscillator.frequency.value = hertz;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(peak, at + 0.01);
    gain.gain.setValueAtTime(peak, at + seconds - 0.02);
    gain.gain.linearRampToValueAtTime(0, at + seconds);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(at);
    oscillator.stop(at + seconds);
  }

  function play(figure: readonly (readonly [number, number, number])[]): void {
    if (context === null || context.state !== "running") return;
    const start = context.currentTime + 0.02;
    for (const [hertz, from, seconds] of figure) tone(hertz, start + from, seconds);
  }

  function beep(): void {
    played = performance.now();
    play(flood.value ? FLOOD_FIGURE : FIGURES[gravest.value] ?? []);
    beeps.value += 1;
  }

  const timer = window.setInterval(() => {
    if (!sounding.value) return;
    const wait = flood.value ? FLOOD_MS : REPEAT_MS[gravest.value];
    if (wait !== undefined && performance.now() - played >= wait) beep();
  }, TICK_MS);
  onScopeDispose(() => {
    clearInterval(timer);
    void context?.close();
  });

  // After a reload any touch of the page brings the sound back, not only the banner's button.
  const touched = () => {
    if (onDuty.value && !running.value) void wake();
  };
  const TOUCHES = ["pointerdown", "keydown"] as const;
  for (const name of TOUCHES) addEventListener(name, touched);
  onScopeDispose(() => {
    for (const name of TOUCHES) removeEventListener(name, touched);
  });

  if (onDuty.value) void wake();

  return {
    supported,
    onDuty,
    sounding,
    beeps,
    volume,
    quietest,
    flood,
    blocked: computed(() => onDuty.value && !running.value),
    async goOnDuty(): Promise<void> {
      onDuty.value = true;
      remember(true);
      await wake();
      if (sounding.value) beep();
      else play(PROOF); // that it can be heard
    },
    goOffDuty(): void {
      onDuty.value = false;
      remember(false);
    },
    resume: wake,
    /** Which unacknowledged alerts are loud now; a new one sounds at once. */
    hear(alerts: readonly Loud[]): void {
      const before = new Set(loud.value.map((one) => one.id));
      const fresh = alerts.filter((one) => !before.has(one.id) && one.severity <= quietest.value);
      const ids = new Set(alerts.map((one) => one.id));
      loud.value = alerts;
      silenced.value = new Set([...silenced.value].filter((id) => ids.has(id)));
      const graver = fresh.some((one) => one.severity <= gravest.value);
      const due = flood.value ? performance.now() - played >= FLOOD_MS : graver;
      if (fresh.length > 0 && sounding.value && due) beep();
    },
    silence(): void {
      silenced.value = new Set(loud.value.map((one) => one.id));
    },
    /** How an alert of that severity would sound, on duty or not. */
    async test(severity: number): Promise<void> {
      await wake();
      play(FIGURES[severity] ?? []);
    },
  };
}

function remembered(): boolean {
  try {
    return sessionStorage.getItem(STORAGE_KEY) === "1";
  } catch {
    return false;
  }
}

function remember(on: boolean): void {
  try {
    sessionStorage.setItem(STORAGE_KEY, on ? "1" : "0");
  } catch {
    // storage is switched off: the choice lasts for this page
  }
}
