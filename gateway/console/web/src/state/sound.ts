import { computed, onScopeDispose, ref } from "vue";

const REPEAT_MS = 3_000;
const STORAGE_KEY = "gateway.on-duty";

export type Sound = ReturnType<typeof createSound>;

/**
 * The siren, made by WebAudio. It sounds while `loud` holds alert ids that nobody silenced, and only on duty.
 * Browsers let a page sound only after a click; `blocked` says that this one still refuses.
 */
export function createSound() {
  const supported = typeof AudioContext !== "undefined";
  const onDuty = ref(supported && remembered());
  const running = ref(false);
  const loud = ref<string[]>([]);
  const silenced = ref(new Set<string>());
  const beeps = ref(0);
  let context: AudioContext | null = null;

  const sounding = computed(() => onDuty.value && loud.value.some((id) => !silenced.value.has(id)));

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

  function tone(at: number, hertz: number, seconds: number): void {
    if (context === null) return;
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    oscillator.type = "square";
    oscillator.frequency.value = hertz;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.2, at + 0.01);
    gain.gain.setValueAtTime(0.2, at + seconds - 0.02);
    gain.gain.linearRampToValueAtTime(0, at + seconds);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(at);
    oscillator.stop(at + seconds);
  }

  function beep(): void {
    if (context === null || context.state !== "running") return;
    const start = context.currentTime + 0.02;
    for (let turn = 0; turn < 3; turn += 1) {
      tone(start + turn * 0.36, 880, 0.16);
      tone(start + turn * 0.36 + 0.18, 660, 0.16);
    }
    beeps.value += 1;
  }

  const timer = window.setInterval(() => {
    if (sounding.value) beep();
  }, REPEAT_MS);
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
    blocked: computed(() => onDuty.value && !running.value),
    async goOnDuty(): Promise<void> {
      onDuty.value = true;
      remember(true);
      await wake();
      if (sounding.value) beep();
      else if (context?.state === "running") tone(context.currentTime + 0.02, 880, 0.08); // proof that it can be heard
    },
    goOffDuty(): void {
      onDuty.value = false;
      remember(false);
    },
    resume: wake,
    /** Which unacknowledged alerts are loud now; a new one sounds at once. */
    hear(ids: string[]): void {
      const fresh = ids.some((id) => !loud.value.includes(id));
      loud.value = ids;
      silenced.value = new Set([...silenced.value].filter((id) => ids.includes(id)));
      if (fresh && sounding.value) beep();
    },
    silence(): void {
      silenced.value = new Set(loud.value);
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
