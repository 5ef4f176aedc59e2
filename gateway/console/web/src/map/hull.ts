import type { LonLat } from "./gcj02";

/** The convex hull (monotone chain) of positions, counter-clockwise; fewer than three of them are no area. */
export function hull(positions: readonly LonLat[]): LonLat[] {
  const sorted = [...positions].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (sorted.length < 3) return [];
  const lower = chain(sorted);
  const upper = chain(sorted.reverse());
  const around = [...lower.slice(0, -1), ...upper.slice(0, -1)];
  return around.length < 3 ? [] : around;
}

function chain(sorted: readonly LonLat[]): LonLat[] {
  const kept: LonLat[] = [];
  for (const next of sorted) {
    while (kept.length > 1 && !turnsLeft(kept[kept.length - 2] as LonLat, kept[kept.length - 1] as LonLat, next)) kept.pop();
    kept.push(next);
  }
  return kept;
}

function turnsLeft(a: LonLat, b: LonLat, c: LonLat): boolean {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0;
}
