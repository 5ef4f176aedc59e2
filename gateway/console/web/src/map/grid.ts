import type * as Leaflet from "leaflet";

/** What is drawn where no tiles are configured: squares of a round size, and where their lines are. */
const STEPS_M = [10, 50, 100, 500, 1000, 5000, 10_000, 50_000, 100_000, 500_000, 1_000_000];
const NARROWEST_PX = 56;
/** Web Mercator (EPSG 3857): metres at the equator per pixel of a 256 px tile at zoom 0. */
const EQUATOR_M = 2 * Math.PI * 6_378_137;
const TILE_PX = 256;

/** Squares of `metres` on the ground are `units` of EPSG 3857 wide there. */
export interface GridStep {
  metres: number;
  units: number;
}

export function gridStep(zoom: number, latitude: number): GridStep {
  const stretch = 1 / Math.cos((latitude * Math.PI) / 180);
  const perPixel = EQUATOR_M / (TILE_PX * 2 ** zoom);
  const metres = STEPS_M.find((step) => (step * stretch) / perPixel >= NARROWEST_PX) ?? 1_000_000;
  return { metres, units: metres * stretch };
}

export interface EdgeLabel {
  px: number;
  text: string;
}

/** The degrees of the grid's lines, for the map's upper and left edge: at most about ten each. */
export function edgeLabels(L: typeof Leaflet, map: Leaflet.Map, latitude: number): { lon: EdgeLabel[]; lat: EdgeLabel[] } {
  const { units } = gridStep(map.getZoom(), latitude);
  const mercator = L.Projection.SphericalMercator;
  const bounds = map.getBounds();
  const { x: west, y: north } = mercator.project(bounds.getNorthWest());
  const { x: east, y: south } = mercator.project(bounds.getSouthEast());
  const digits = units < 400 ? 4 : units < 40_000 ? 3 : 1;
  const place = (x: number, y: number) => {
    const at = mercator.unproject(L.point(x, y));
    return { at, px: map.latLngToContainerPoint(at) };
  };
  const every = (from: number, to: number) => {
    const stride = Math.max(1, Math.ceil((to - from) / units / 8));
    const first = Math.ceil(from / units / stride) * stride;
    return Array.from({ length: Math.max(0, Math.floor((to / units - first) / stride) + 1) }, (_, index) => (first + index * stride) * units);
  };
  return {
    lon: every(west, east).map((x) => ({ px: place(x, north).px.x, text: `${place(x, north).at.lng.toFixed(digits)}°` })),
    lat: every(south, north).map((y) => ({ px: place(west, y).px.y, text: `${place(west, y).at.lat.toFixed(digits)}°` })),
  };
}

/** `colour` is asked for each tile: the theme may have changed. */
export function gridLayer(L: typeof Leaflet, latitude: number, colour: () => string): Leaflet.GridLayer {
  const Squares = L.GridLayer.extend({
    createTile(this: Leaflet.GridLayer, coords: Leaflet.Coords): HTMLElement {
      const canvas = document.createElement("canvas");
      const scale = window.devicePixelRatio;
      canvas.width = TILE_PX * scale;
      canvas.height = TILE_PX * scale;
      const pen = canvas.getContext("2d");
      if (pen === null) return canvas;
      pen.scale(scale, scale);
      pen.strokeStyle = colour();
      pen.lineWidth = 1;
      pen.beginPath();
      const perPixel = EQUATOR_M / (TILE_PX * 2 ** coords.z);
      const { units } = gridStep(coords.z, latitude);
      const left = coords.x * TILE_PX * perPixel - EQUATOR_M / 2;
      const top = EQUATOR_M / 2 - coords.y * TILE_PX * perPixel;
      for (let x = Math.ceil(left / units) * units; x < left + TILE_PX * perPixel; x += units) {
        const px = Math.floor((x - left) / perPixel) + 0.5;
        pen.moveTo(px, 0);
        pen.lineTo(px, TILE_PX);
      }
      for (let y = Math.floor(top / units) * units; y > top - TILE_PX * perPixel; y -= units) {
        const px = Math.floor((top - y) / perPixel) + 0.5;
        pen.moveTo(0, px);
        pen.lineTo(TILE_PX, px);
      }
      pen.stroke();
      return canvas;
    },
  });
  return new (Squares as unknown as new (options: Leaflet.GridLayerOptions) => Leaflet.GridLayer)({ minZoom: 2, maxZoom: 22, updateWhenZooming: false });
}
