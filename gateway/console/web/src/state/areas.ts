import type { Place } from "../api/types";
import { nodeOf } from "./devices";

/** The lengths of area codes' levels: province, city, county, township, village (GB/T 2260 and its township code). */
const LEVELS = [2, 4, 6, 9, 12];
const ENDING = /^.*(?:省|市|州|县|区|旗|镇|乡|街道|村|社区|居委会)/;

export interface Placed {
  id: string;
  state: string;
  place: Place;
}

/** Devices of one node whose area codes begin with `code`; "" is the whole node. */
export interface Branch {
  key: string;
  node: string | null;
  code: string;
  name: string | null;
  total: number;
  states: Map<string, number>;
  children: Branch[];
}

export function within(branch: Pick<Branch, "node" | "code">, device: Placed): boolean {
  return nodeOf(device.id) === branch.node && (device.place.area_code ?? "").startsWith(branch.code);
}

/** A tree for each node: this one first, then the lower ones by id. Levels with a single branch are passed over. */
export function areaTree(devices: Iterable<Placed>): Branch[] {
  const nodes = new Map<string | null, Placed[]>();
  for (const device of devices) {
    const node = nodeOf(device.id);
    const known = nodes.get(node);
    if (known === undefined) nodes.set(node, [device]);
    else known.push(device);
  }
  return [...nodes].sort(([a], [b]) => ((a ?? "") < (b ?? "") ? -1 : 1)).map(([node, all]) => branch(node, "", all, 0));
}

function branch(node: string | null, code: string, devices: Placed[], level: number): Branch {
  const states = new Map<string, number>();
  for (const { state } of devices) states.set(state, (states.get(state) ?? 0) + 1);
  return {
    key: `${node ?? ""}:${code}`, node, code, name: code === "" ? null : commonPlace(devices), total: devices.length, states, children: childrenOf(node, code, devices, level),
  };
}

function childrenOf(node: string | null, code: string, devices: Placed[], level: number): Branch[] {
  for (let next = level; next < LEVELS.length; next += 1) {
    const length = LEVELS[next] as number;
    const groups = new Map<string, Placed[]>();
    for (const device of devices) {
      const own = device.place.area_code ?? "";
      if (own.length < length) continue;
      const key = own.slice(0, length);
      const known = groups.get(key);
      if (known === undefined) groups.set(key, [device]);
      else known.push(device);
    }
    if (groups.size === 0) return [];
    if (groups.size === 1 && [...groups.values()][0]?.length === devices.length && next + 1 < LEVELS.length) continue;
    return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).filter(([key]) => key !== code).map(([key, some]) => branch(node, key, some, next + 1));
  }
  return [];
}

/** What the addresses of an area have in common says what it is called; a register of names is not at hand. */
export function commonPlace(devices: readonly Placed[]): string | null {
  let common: string | null = null;
  for (const { place } of devices) {
    if (place.address === null || place.address === "") continue;
    common = common === null ? place.address : shared(common, place.address);
    if (common === "") return null;
  }
  return (common === null ? null : ENDING.exec(common)?.[0]) ?? null;
}

function shared(a: string, b: string): string {
  let end = 0;
  while (end < a.length && a[end] === b[end]) end += 1;
  return a.slice(0, end);
}
