import { computed, ref, shallowRef } from "vue";
import type { Client } from "../api/client";
import type { Task } from "../api/types";

export type Tasks = ReturnType<typeof createTasks>;

/** What somebody has to see to; asked for anew now and then, and whenever something was done about it. */
export function createTasks(client: Client) {
  const items = shallowRef<Task[]>([]);
  const loaded = ref(false);
  const more = ref(false);
  const failure = ref<string | null>(null);
  let generation = 0;

  return {
    items,
    loaded,
    more,
    failure,
    overdue: computed(() => items.value.filter((task) => task.overdue).length),
    async reload(): Promise<void> {
      const mine = ++generation;
      try {
        const page = await client.tasks();
        if (mine !== generation) return;
        items.value = page.items;
        more.value = page.next !== null;
        loaded.value = true;
        failure.value = null;
      } catch (error) {
        if (mine === generation) failure.value = (error as Error).message;
      }
    },
    clear(): void {
      generation += 1;
      items.value = [];
      loaded.value = false;
    },
  };
}
