import { ref, shallowRef } from "vue";
import type { Client } from "../api/client";
import type { ConsoleSettings } from "../api/map";

/** Until the service has said otherwise: a plain grid and no instructions. */
const UNTOLD: ConsoleSettings = {
  map: { tiles: null, attribution: "", max_zoom: 18, crs: "wgs84", center: null, zoom: 14 },
  instructions: {},
  version: "",
};

export type ShownSettings = ReturnType<typeof createSettings>;

/** What the configuration says to the pages: the map, and what to do by kind of alert. */
export function createSettings(client: Client) {
  const value = shallowRef<ConsoleSettings>(UNTOLD);
  const loaded = ref(false);

  return {
    value,
    loaded,
    async reload(): Promise<void> {
      try {
        value.value = await client.consoleSettings();
        loaded.value = true;
      } catch {
        // asked for again with what else could not be loaded; the grid serves meanwhile
      }
    },
    clear(): void {
      value.value = UNTOLD;
      loaded.value = false;
    },
  };
}
