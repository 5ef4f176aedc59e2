/** Points that would cover each other on the screen are shown as one, with their number. */
export interface Placed<T> {
  item: T;
  /** Pixels of the map's whole world at this zoom. */
  x: number;
  y: number;
}

export interface Cluster<T> {
  items: T[];
  x: number;
  y: number;
}

/**
 * Grid clustering: all that lie in one square of `size` pixels are one, at their middle. The squares are fixed to the
 * world, so that panning the map changes little.
 */
export function clusters<T>(placed: readonly Placed<T>[], size: number): Cluster<T>[] {
  const cells = new Map<string, Cluster<T>>();
  for (const { item, x, y } of placed) {
    const key = `${Math.floor(x / size)} ${Math.floor(y / size)}`;
    const cell = cells.get(key);
    if (cell === undefined) {
      cells.set(key, { items: [item], x, y });
      continue;
    }
    cell.items.push(item);
    cell.x += (x - cell.x) / cell.items.length;
    cell.y += (y - cell.y) / cell.items.length;
  }
  return apart([...cells.values()], size * 0.75);
}

/** Middles of neighbouring squares may come close: the smaller joins the larger. */
function apart<T>(found: Cluster<T>[], distance: number): Cluster<T>[] {
  const kept: Cluster<T>[] = [];
  for (const cluster of found.sort((a, b) => b.items.length - a.items.length)) {
    const near = kept.find((other) => Math.hypot(other.x - cluster.x, other.y - cluster.y) < distance);
    if (near === undefined) kept.push(cluster);
    else near.items.push(...cluster.items);
  }
  return kept;
}
