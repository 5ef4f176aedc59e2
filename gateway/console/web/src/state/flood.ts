import { computed, onScopeDispose, ref } from "vue";
import type { Alert } from "../api/types";

const SPAN_MS = 60_000;
/** More new alerts than this within a minute nobody can take one by one. */
export const FLOOD_FROM = 30;
/** It is over when so few came in the last minute: between the two it stays as it was. */
const FLOOD_UNTIL = 10;

export type Flood = ReturnType<typeof createFlood>;

/** Whether alerts come faster than people read, and whether the list then stands in groups. */
export function createFlood() {
  const recent = ref(0);
  const active = ref(false);
  const grouping = ref(true);
  let times: number[] = [];

  function reckon(): void {
    const now = performance.now();
    times = times.filter((at) => now - at < SPAN_MS);
    recent.value = times.length;
    active.value = times.length > FLOOD_FROM || (active.value && times.length >= FLOOD_UNTIL);
  }

  const timer = window.setInterval(reckon, 1_000);
  onScopeDispose(() => clearInterval(timer));

  return {
    recent,
    active,
    grouping,
    grouped: computed(() => active.value && grouping.value),
    note(fresh: readonly Alert[]): void {
      const now = performance.now();
      for (let count = 0; count < fresh.length; count += 1) times.push(now);
      reckon();
    },
    clear(): void {
      times = [];
      active.value = false;
      grouping.value = true;
      reckon();
    },
  };
}
