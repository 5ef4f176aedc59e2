import { computed, onScopeDispose, ref, shallowRef } from "vue";
import type { CameraOutage, CoveredCamera, MaintenanceWindow } from "../api/maintenance";
import { useConsole } from "./console";

const RELOAD_MS = 10_000;

export type Absences = ReturnType<typeof useAbsences>;

/** Which cameras of this node are away together, and which may be down by plan: asked for anew while a page shows it. */
export function useAbsences() {
  const desk = useConsole();
  const windows = shallowRef<MaintenanceWindow[]>([]);
  const covered = shallowRef<CoveredCamera[]>([]);
  const outages = shallowRef<CameraOutage[]>([]);
  const loaded = ref(false);
  const failure = ref("");
  let generation = 0;
  /** Requests that have not been answered. */
  let waiting = 0;

  async function reload(): Promise<void> {
    const mine = ++generation;
    waiting += 1;
    try {
      const [plan, standing] = await Promise.all([desk.client.maintenance(), desk.client.outages()]);
      if (mine !== generation) return;
      windows.value = plan.items;
      covered.value = plan.covered;
      outages.value = standing.items;
      loaded.value = true;
      failure.value = "";
    } catch (error) {
      if (mine === generation) failure.value = desk.sentence((error as Error).message);
    } finally {
      waiting -= 1;
    }
  }

  /** An answer slower than the interval would otherwise be overtaken each time, and none ever shown. */
  function poll(): void {
    if (waiting === 0) void reload();
  }

  const timer = window.setInterval(poll, RELOAD_MS);
  onScopeDispose(() => {
    generation += 1;
    clearInterval(timer);
  });
  void reload();

  const plans = computed(() => new Map(covered.value.map((one) => [one.id, one])));
  const lost = computed(() => new Map(outages.value.flatMap((one) => one.cameras.filter((camera) => !camera.back).map((camera) => [camera.id, one] as const))));
  return {
    windows, covered, outages, loaded, failure, reload,
    planned: (camera: string): CoveredCamera | null => plans.value.get(camera) ?? null,
    /** The outage of several that a camera is part of; one that is away by itself is none. */
    outage: (camera: string): CameraOutage | null => {
      const found = lost.value.get(camera);
      return found === undefined || found.cause === "single" ? null : found;
    },
  };
}
