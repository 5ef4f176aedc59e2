import { computed, ref, watch } from "vue";
import { useConsole } from "./console";
import { usePreference } from "./preferences";

export const WALL_SIZES = [1, 4, 9, 16] as const;
export type WallSize = (typeof WALL_SIZES)[number];
export const CAROUSEL_SECONDS = [0, 10, 20, 30, 60] as const;
/** Of one wall, over all its screens. */
export const MOST_CAMERAS = 64;
const MOST_WALLS = 20;

/** `cameras`: by place, screen after screen; null is an empty tile. `carousel`: seconds a screen, 0 is off. */
export interface Wall {
  name: string;
  size: WallSize;
  cameras: (string | null)[];
  carousel: number;
}

/** What a user keeps under `walls`. `press`: somebody who presses is shown in the first tile. */
interface Kept {
  items: Wall[];
  current: number;
  press: boolean;
}

const EMPTY: Wall = { name: "", size: 4, cameras: [], carousel: 0 };
const STANDARD: Kept = { items: [EMPTY], current: 0, press: true };

function isKept(value: unknown): boolean {
  const kept = value as Partial<Kept> | null;
  return typeof kept === "object" && kept !== null && Array.isArray(kept.items) && kept.items.length > 0 && kept.items.every(isWall);
}

function isWall(value: unknown): boolean {
  const wall = value as Partial<Wall> | null;
  return typeof wall === "object" && wall !== null && typeof wall.name === "string" && WALL_SIZES.some((size) => size === wall.size) && Array.isArray(wall.cameras);
}

/** The walls of this user, and the one that is shown: which screen of it, and what stands where. */
export function useWall() {
  const { loaded } = useConsole().preferences;
  const kept = usePreference<Kept>("walls", STANDARD, isKept);
  const screen = ref(0);
  const index = computed(() => Math.min(Math.max(0, kept.value.current), kept.value.items.length - 1));
  const wall = computed<Wall>(() => kept.value.items[index.value] ?? EMPTY);
  const used = computed(() => wall.value.cameras.reduce((last, camera, place) => (camera === null ? last : place + 1), 0));
  const screens = computed(() => Math.max(1, Math.ceil(used.value / wall.value.size)));
  const room = computed(() => MOST_CAMERAS / wall.value.size);
  const tiles = computed(() => Array.from({ length: wall.value.size }, (_, tile) => wall.value.cameras[screen.value * wall.value.size + tile] ?? null));

  /** Nothing before the kept walls are there: what stands in for them would be written over them. */
  function write(changes: Partial<Kept>): void {
    if (loaded.value) kept.value = { ...kept.value, ...changes };
  }

  function keep(changes: Partial<Wall>): void {
    write({ items: kept.value.items.map((each, place) => (place === index.value ? { ...each, ...changes } : each)) });
  }

  function put(tile: number, camera: string | null): void {
    const place = screen.value * wall.value.size + tile;
    const cameras = [...wall.value.cameras];
    while (cameras.length <= place) cameras.push(null);
    cameras[place] = camera;
    while (cameras.length > 0 && cameras[cameras.length - 1] === null) cameras.pop();
    keep({ cameras: cameras.slice(0, MOST_CAMERAS) });
  }

  watch([index, () => wall.value.size], () => { screen.value = 0; });

  return {
    loaded, index, wall, screen, screens, tiles, put,
    /** The first of them, as many as it shows at once, where nothing stands yet. */
    fill(cameras: readonly string[]): void {
      keep({ cameras: cameras.slice(0, wall.value.size) });
    },
    names: computed(() => kept.value.items.map((each) => each.name)),
    resize: (size: WallSize) => keep({ size }),
    rename: (name: string) => keep({ name: name.trim().slice(0, 40) }),
    carousel: (seconds: number) => keep({ carousel: seconds }),
    choose(current: number): void {
      write({ current });
    },
    add(name: string): void {
      const items = [...kept.value.items, { ...EMPTY, size: wall.value.size, name: name.trim().slice(0, 40) }].slice(-MOST_WALLS);
      write({ items, current: items.length - 1 });
    },
    remove(): void {
      const items = kept.value.items.filter((_, place) => place !== index.value);
      write({ items: items.length === 0 ? [EMPTY] : items, current: 0 });
    },
    press: computed({ get: () => kept.value.press !== false, set: (press) => write({ press }) }),
    swap(from: number, to: number): void {
      const [one, other] = [tiles.value[from] ?? null, tiles.value[to] ?? null];
      put(from, other);
      put(to, one);
    },
    /** Also to one empty screen behind the last, to fill it. */
    turn(by: number, wrap: boolean): void {
      const last = wrap ? screens.value : Math.min(screens.value + 1, room.value);
      screen.value = wrap ? (screen.value + by + last) % last : Math.min(Math.max(0, screen.value + by), last - 1);
    },
  };
}
