/** Leaflet with its style sheet, in a piece of its own: only pages with a map load it. */
import "leaflet/dist/leaflet.css";
import * as leaflet from "leaflet";

export const L = leaflet;
