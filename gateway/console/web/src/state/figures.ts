import { onScopeDispose, ref, shallowRef, watch } from "vue";
import type { Figures } from "../api/figures";
import { useConsole } from "./console";

const RELOAD_MS = 30_000;
/** After an alert has changed: long enough that a storm asks no more than a few times a minute. */
const SOON_MS = 8_000;

/** The day's figures by the hour (24 hours) and since midnight, kept fresh while the page that asks is shown. */
export function useFigures() {
  const desk = useConsole();
  const lately = shallowRef<Figures | null>(null);
  const today = shallowRef<Figures | null>(null);
  const failed = ref(false);
  let soon: number | undefined;
  let running = false;

  async function reload(): Promise<void> {
    clearTimeout(soon);
    soon = undefined;
    if (running) return;
    running = true;
    const midnight = new Date(desk.clock.now.value);
    midnight.setHours(0, 0, 0, 0);
    try {
      lately.value = await desk.client.figures(null);
      today.value = await desk.client.figures(midnight);
      failed.value = false;
    } catch {
      failed.value = true;
    } finally {
      running = false;
    }
  }

  watch(desk.alerts.latest, () => {
    soon ??= window.setTimeout(() => void reload(), SOON_MS);
  });
  const timer = window.setInterval(() => void reload(), RELOAD_MS);
  onScopeDispose(() => {
    clearInterval(timer);
    clearTimeout(soon);
  });
  void reload();

  return { lately, today, failed };
}
