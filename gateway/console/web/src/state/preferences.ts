import { computed, ref, shallowRef, type WritableComputedRef } from "vue";
import type { Client } from "../api/client";
import { useConsole } from "./console";

/** Several changes in a row (a slider) are written once. */
const WRITE_AFTER_MS = 400;

export type Preferences = ReturnType<typeof createPreferences>;

/** What the user keeps on the server: the same in every browser. Until it is there, the defaults stand. */
export function createPreferences(client: Client) {
  const items = shallowRef<Record<string, unknown>>({});
  const loaded = ref(false);
  const failure = ref<string | null>(null);
  /** Names changed here and not yet written: what the server says of them is older. */
  const unwritten = new Map<string, number>();
  let generation = 0;

  async function write(name: string): Promise<void> {
    const mine = generation;
    unwritten.delete(name);
    const value = items.value[name];
    try {
      await (value === undefined || value === null ? client.forgetPreference(name) : client.keepPreference(name, value));
      if (mine === generation) failure.value = null;
    } catch (error) {
      if (mine === generation) failure.value = (error as Error).message;
    }
  }

  return {
    items,
    loaded,
    failure,
    async reload(): Promise<void> {
      const mine = generation;
      try {
        const answer = await client.preferences();
        if (mine !== generation) return;
        const own = Object.fromEntries([...unwritten.keys()].map((name) => [name, items.value[name]]));
        items.value = { ...answer.items, ...own };
        loaded.value = true;
        failure.value = null;
      } catch (error) {
        if (mine === generation) failure.value = (error as Error).message;
      }
    },
    /** Shown at once, written a little later; `null` forgets it. */
    set(name: string, value: unknown): void {
      items.value = { ...items.value, [name]: value };
      clearTimeout(unwritten.get(name));
      unwritten.set(name, window.setTimeout(() => void write(name), WRITE_AFTER_MS));
    },
    clear(): void {
      generation += 1;
      for (const timer of unwritten.values()) clearTimeout(timer);
      unwritten.clear();
      items.value = {};
      loaded.value = false;
      failure.value = null;
    },
  };
}

/** A preference of the user who is logged in, to read and to write; `accept` refuses what another version may have kept. */
export function usePreference<T>(name: string, standard: T, accept: (value: unknown) => boolean = () => true): WritableComputedRef<T> {
  const { preferences } = useConsole();
  return computed({
    get: () => {
      const value = preferences.items.value[name];
      return value === undefined || value === null || !accept(value) ? standard : (value as T);
    },
    set: (value: T) => preferences.set(name, value),
  });
}
