import { computed, shallowRef } from "vue";
import type { Node } from "../api/types";

export type Nodes = ReturnType<typeof createNodes>;

/** This node and those below it. ``onStale`` is told of a lower node whose devices are to be loaded anew. */
export function createNodes(load: () => Promise<Node[]>, onStale: (node: string) => void) {
  const items = shallowRef<ReadonlyMap<string, Node>>(new Map());
  const own = computed(() => [...items.value.values()].find((node) => node.own !== false) ?? null);
  const lower = computed(() => [...items.value.values()].filter((node) => node.own === false));

  return {
    items,
    own,
    lower,
    async reload(): Promise<void> {
      try {
        items.value = new Map((await load()).map((node) => [node.id, node]));
      } catch {
        items.value = new Map(); // only names; the lists show the same failure in words
      }
    },
    take(changes: Node[]): void {
      const next = new Map(items.value);
      for (const node of changes) {
        const known = next.get(node.id);
        next.set(node.id, node);
        if (known === undefined ? next.size > 1 : known.state !== node.state || known.reload !== node.reload) onStale(node.id);
      }
      items.value = next;
    },
    /** What a person calls the node of a device; null for this one. */
    name(node: string | null): string | null {
      return node === null ? null : items.value.get(node)?.name ?? node;
    },
    clear(): void {
      items.value = new Map();
    },
  };
}
