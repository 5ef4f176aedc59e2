import { onScopeDispose, ref, watch, type ComputedRef } from "vue";
import { useConsole } from "./console";
import type { LiveWish } from "./live";

const EACH_MS = 1_000;
/** A camera that has no picture is asked less often. */
const SLOWEST_MS = 10_000;

/** Pictures one after another, the first at once. `still.at`: when the camera saw it. */
export function useStills(wish: ComputedRef<LiveWish>) {
  const desk = useConsole();
  const still = ref<{ url: string; at: number | null } | null>(null);
  const problem = ref<string | null>(null);
  let turn = 0;
  let nonce = 0;
  let timer: number | undefined;

  function put(next: { url: string; at: number | null } | null): void {
    const old = still.value;
    still.value = next;
    if (old !== null) window.setTimeout(() => URL.revokeObjectURL(old.url), EACH_MS); // it may be on the screen until the next is decoded
  }

  async function look(mine: number, wait: number): Promise<void> {
    const { cameraId, reason } = wish.value;
    const began = performance.now();
    let next = EACH_MS;
    try {
      nonce += 1;
      const taken = await desk.live.stills(() => desk.client.still(cameraId, reason, "sub", nonce));
      if (mine !== turn) return;
      put({ url: URL.createObjectURL(taken.picture), at: taken.at });
      problem.value = null;
    } catch (error) {
      if (mine !== turn) return;
      problem.value = desk.i18n.reason(desk.sentence((error as Error).message));
      next = Math.min(wait * 2, SLOWEST_MS);
    }
    timer = window.setTimeout(() => void look(mine, next), Math.max(0, next - (performance.now() - began)));
  }

  watch(() => [wish.value.cameraId, wish.value.reason], () => put(null), { flush: "sync" });
  watch(() => [wish.value.cameraId, wish.value.reason, wish.value.wanted], () => {
    turn += 1;
    clearTimeout(timer);
    problem.value = null;
    if (wish.value.wanted) void look(turn, EACH_MS);
  }, { immediate: true });
  onScopeDispose(() => {
    turn += 1;
    clearTimeout(timer);
    put(null);
  });

  return { still, problem };
}
