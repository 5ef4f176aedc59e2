import { computed, onScopeDispose, ref, shallowRef } from "vue";
import type { ArmingOrder, ArmingState, Device } from "../api/types";
import { useConsole } from "./console";

const RELOAD_MS = 15_000;

export type Equipment = ReturnType<typeof useEquipment>;

/** What cameras are as devices and whether they are armed; kept while the page that asks is shown. */
export function useEquipment() {
  const desk = useConsole();
  const devices = shallowRef<ReadonlyMap<string, Device>>(new Map());
  const arming = shallowRef<ArmingState | null>(null);
  const failure = ref<string | null>(null);
  const disarmed = computed(() => new Set(arming.value?.disarmed ?? []));

  async function reload(): Promise<void> {
    try {
      const [all, standing] = await Promise.all([desk.client.devices(), desk.client.arming()]);
      devices.value = new Map(all.map((device) => [device.id, device]));
      arming.value = standing;
      failure.value = null;
    } catch (error) {
      failure.value = (error as Error).message;
    }
  }

  /** Raises what the server says against it. */
  async function arm(order: ArmingOrder): Promise<void> {
    arming.value = await desk.client.arm(order);
  }

  const timer = window.setInterval(() => void reload(), RELOAD_MS);
  onScopeDispose(() => clearInterval(timer));
  void reload();

  return { devices, arming, disarmed, failure, reload, arm };
}
