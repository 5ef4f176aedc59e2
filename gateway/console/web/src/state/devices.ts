import { shallowRef, ref } from "vue";

/** Of which lower node a device is; null for one of this node's own. */
export function nodeOf(id: string): string | null {
  const end = id.indexOf(":");
  return end < 0 ? null : id.slice(0, end);
}

interface Device {
  id: string;
}

export type Devices<T extends Device> = ReturnType<typeof createDevices<T>>;

/** Cameras or terminals by id, loaded as a whole and then kept by the stream. */
export function createDevices<T extends Device>(load: (node?: string) => Promise<T[]>) {
  const items = shallowRef<ReadonlyMap<string, T>>(new Map());
  const loaded = ref(false);
  const failure = ref<string | null>(null);

  return {
    items,
    loaded,
    failure,
    async reload(): Promise<void> {
      try {
        const all = await load();
        items.value = new Map(all.map((item) => [item.id, item]));
        loaded.value = true;
        failure.value = null;
      } catch (error) {
        failure.value = (error as Error).message;
      }
    },
    /** One lower node's anew; the others stay. */
    async reloadNode(node: string): Promise<void> {
      try {
        const there = await load(node);
        const others = [...items.value].filter(([id]) => nodeOf(id) !== node);
        items.value = new Map([...others, ...there.map((item) => [item.id, item] as const)]);
      } catch (error) {
        failure.value = (error as Error).message;
      }
    },
    /** A state event may hold the whole device or only what changed. */
    take(changes: T[]): void {
      const next = new Map(items.value);
      for (const change of changes) {
        const known = next.get(change.id);
        if (known !== undefined) next.set(change.id, { ...known, ...change });
        else if (loaded.value) next.set(change.id, change);
      }
      items.value = next;
    },
    clear(): void {
      items.value = new Map();
      loaded.value = false;
    },
  };
}
