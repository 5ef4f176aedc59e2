/**
 * GCJ-02, the shifted datum of Chinese commercial maps, from the published formula. Positions are kept in WGS 84; only
 * what is drawn on such tiles, and what is clicked on them, goes through here. Outside the mainland's box nothing is shifted.
 */
export type LonLat = readonly [lon: number, lat: number];

/** Krassowsky 1940, on which the formula is built: semi-major axis in metres, and first eccentricity squared. */
const AXIS_M = 6_378_245;
const ECCENTRICITY_2 = 0.006_693_421_622_965_943;
/** Each round shrinks what is left some thousandfold: three are below a millimetre. */
const ROUNDS = 3;

export function toGcj02([lon, lat]: LonLat): LonLat {
  if (!shifted(lon, lat)) return [lon, lat];
  const [east, north] = shift(lon, lat);
  return [lon + east, lat + north];
}

export function fromGcj02([lon, lat]: LonLat): LonLat {
  if (!shifted(lon, lat)) return [lon, lat];
  let guess: LonLat = [lon, lat];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [east, north] = shift(guess[0], guess[1]);
    guess = [lon - east, lat - north];
  }
  return guess;
}

function shifted(lon: number, lat: number): boolean {
  return lon > 72.004 && lon < 137.8347 && lat > 0.8293 && lat < 55.8271;
}

/** Degrees east and north. */
function shift(lon: number, lat: number): LonLat {
  const x = lon - 105;
  const y = lat - 35;
  const both = (wave(6 * x, 20) + wave(2 * x, 20)) * (2 / 3);
  const root = Math.sqrt(Math.abs(x));
  const north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + both
    + ((wave(y, 20) + wave(y / 3, 40)) + (wave(y / 12, 160) + wave(y / 30, 320))) * (2 / 3);
  const east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + both
    + ((wave(x, 20) + wave(x / 3, 40)) + (wave(x / 12, 150) + wave(x / 30, 300))) * (2 / 3);
  const phi = (lat * Math.PI) / 180;
  const bend = 1 - ECCENTRICITY_2 * Math.sin(phi) ** 2;
  const meridian = (AXIS_M * (1 - ECCENTRICITY_2)) / (bend * Math.sqrt(bend));
  const parallel = (AXIS_M / Math.sqrt(bend)) * Math.cos(phi);
  return [(east * 180) / (parallel * Math.PI), (north * 180) / (meridian * Math.PI)];
}

function wave(turns: number, height: number): number {
  return height * Math.sin(turns * Math.PI);
}
