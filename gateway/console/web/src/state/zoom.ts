import { computed, ref, type Ref } from "vue";

const MOST = 8;
const STEP = 1.25;

/** Digital zoom of what stands in `stage`: `style` for the layer inside it. Positions are parts of the stage's size. */
export function useZoom(stage: Ref<HTMLElement | null>) {
  const scale = ref(1);
  /** Of the layer's top left corner, in parts of the stage: from 1 - scale to 0. */
  const left = ref(0);
  const top = ref(0);
  const zoomed = computed(() => scale.value > 1);
  const style = computed(() => (zoomed.value ? { transform: `translate(${left.value * 100}%, ${top.value * 100}%) scale(${scale.value})` } : {}));

  function put(nextLeft: number, nextTop: number): void {
    const least = 1 - scale.value;
    left.value = Math.min(0, Math.max(least, nextLeft));
    top.value = Math.min(0, Math.max(least, nextTop));
  }

  /** Keep the point at (x, y) of the stage where it is. */
  function by(factor: number, x = 0.5, y = 0.5): void {
    const before = scale.value;
    scale.value = Math.min(MOST, Math.max(1, before * factor));
    const grown = scale.value / before;
    put(x - (x - left.value) * grown, y - (y - top.value) * grown);
  }

  function reset(): void {
    scale.value = 1;
    put(0, 0);
  }

  function wheel(event: WheelEvent): void {
    const box = stage.value?.getBoundingClientRect();
    if (box === undefined || (event.deltaY > 0 && !zoomed.value)) return; // the page scrolls
    event.preventDefault();
    by(event.deltaY < 0 ? STEP : 1 / STEP, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  function drag(event: PointerEvent): void {
    const box = stage.value?.getBoundingClientRect();
    const holder = event.currentTarget;
    if (!zoomed.value || event.button !== 0 || box === undefined || !(holder instanceof HTMLElement)) return;
    const from = { x: event.clientX, y: event.clientY, left: left.value, top: top.value };
    const move = (next: PointerEvent) => put(from.left + (next.clientX - from.x) / box.width, from.top + (next.clientY - from.y) / box.height);
    const end = () => {
      holder.removeEventListener("pointermove", move);
      holder.removeEventListener("pointerup", end);
      holder.removeEventListener("pointercancel", end);
    };
    holder.setPointerCapture(event.pointerId);
    holder.addEventListener("pointermove", move);
    holder.addEventListener("pointerup", end);
    holder.addEventListener("pointercancel", end);
  }

  return {
    scale, zoomed, style, reset, wheel, drag,
    closer: () => by(STEP),
    wider: () => by(1 / STEP),
    pan: (right: number, down: number) => put(left.value - right / 10, top.value - down / 10),
  };
}
