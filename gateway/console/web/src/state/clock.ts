import { onScopeDispose, ref } from "vue";

/** Duty desks' clocks are often wrong; below this the Date header's whole seconds and the network's delay hide the difference. */
const TOLERATED_SKEW_MS = 3_000;

export type ServerClock = ReturnType<typeof createClock>;

/** `now` ticks each second, in epoch ms of the server's clock. */
export function createClock() {
  let skew = 0;
  const skewMs = ref(0);
  const now = ref(Date.now());
  const tick = () => {
    now.value = Date.now() + skew;
  };
  const timer = setInterval(tick, 1000);
  onScopeDispose(() => clearInterval(timer));
  return {
    now,
    /** The server's clock minus this computer's, 0 where the difference says nothing. */
    skewMs,
    serverSays(at: number): void {
      const difference = at - Date.now();
      skew = Math.abs(difference) > TOLERATED_SKEW_MS ? difference : 0;
      skewMs.value = skew;
      tick();
    },
  };
}
