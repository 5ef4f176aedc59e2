import { ref } from "vue";

export type Gate = ReturnType<typeof createGate>;

/**
 * At most `most` works at once, the others in turn. A browser opens six connections to a host: a wall that takes them all would
 * keep an acknowledgement waiting behind its pictures.
 */
export function createGate(most: number) {
  const waiting: (() => void)[] = [];
  let running = 0;

  return async function pass<T>(work: () => Promise<T>): Promise<T> {
    if (running >= most) await new Promise<void>((go) => waiting.push(go));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

/** What all pictures of a page share: their turns, and why this operator looks (asked once for a wall, gone with the login). */
export function createLiveDesk() {
  const reason = ref("");
  return { views: createGate(2), stills: createGate(2), reason, clear: () => { reason.value = ""; } };
}
