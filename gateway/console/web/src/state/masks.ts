import { computed, ref } from "vue";
import type { Mask } from "../api/types";

/** As many as the gateway takes of one camera. */
export const MOST_MASKS = 16;
const FEWEST_CORNERS = 3;

type Corner = [number, number];

/** Masks that are being drawn: whole ones, and the corners of one that is begun. All from 0 to 1 of the picture. */
export function useMaskDrawing(saved: readonly Mask[]) {
  const masks = ref<Mask[]>(copy(saved));
  const begun = ref<Corner[] | null>(null);
  const cross = ref<Corner>([0.5, 0.5]);
  const changed = ref(false);

  function within(value: number): number {
    return Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
  }

  function finish(): void {
    if (begun.value === null || begun.value.length < FEWEST_CORNERS) return;
    masks.value = [...masks.value, begun.value];
    begun.value = null;
    changed.value = true;
  }

  return {
    masks, begun, cross, changed, finish,
    full: computed(() => masks.value.length >= MOST_MASKS),
    finishable: computed(() => (begun.value?.length ?? 0) >= FEWEST_CORNERS),
    begin(): void {
      begun.value = [];
    },
    cancel(): void {
      begun.value = null;
    },
    undo(): void {
      begun.value = begun.value?.slice(0, -1) ?? null;
    },
    /** A corner at (x, y); near the first one it closes the mask. `near`: how near, in parts of the picture. */
    add(x: number, y: number, near: number): void {
      const corners = begun.value;
      if (corners === null) return;
      const first = corners[0];
      if (first !== undefined && corners.length >= FEWEST_CORNERS && Math.hypot(first[0] - x, first[1] - y) < near) finish();
      else begun.value = [...corners, [within(x), within(y)]];
    },
    steer(right: number, down: number): void {
      cross.value = [within(cross.value[0] + right), within(cross.value[1] + down)];
    },
    move(mask: number, corner: number, x: number, y: number): void {
      masks.value = masks.value.map((each, place) => (place === mask ? each.map((one, at): Corner => (at === corner ? [within(x), within(y)] : one)) : each));
      changed.value = true;
    },
    /** A mask keeps three corners: with fewer it is taken away whole. */
    removeCorner(mask: number, corner: number): void {
      const left = (masks.value[mask] ?? []).filter((_, at) => at !== corner);
      masks.value = left.length < FEWEST_CORNERS ? masks.value.filter((_, place) => place !== mask) : masks.value.map((each, place) => (place === mask ? left : each));
      changed.value = true;
    },
    remove(mask: number): void {
      masks.value = masks.value.filter((_, place) => place !== mask);
      changed.value = true;
    },
    settle(next: readonly Mask[]): void {
      masks.value = copy(next);
      changed.value = false;
    },
  };
}

function copy(masks: readonly Mask[]): Mask[] {
  return masks.map((mask) => mask.map(([x, y]): Corner => [x, y]));
}
