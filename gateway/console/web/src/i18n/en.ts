import { alert } from "./en/alert";
import { desk } from "./en/desk";
import { devices } from "./en/devices";
import { diagnosis } from "./en/diagnosis";
import { figures } from "./en/figures";
import { live } from "./en/live";
import { map } from "./en/map";
import { nodes } from "./en/nodes";
import { record } from "./en/record";
import { refusals } from "./en/refusals";
import { registers } from "./en/registers";
import { screen } from "./en/screen";
import { shell } from "./en/shell";
import { retention } from "./en/retention";
import { upkeep } from "./en/upkeep";
import { words } from "./en/words";
import type { MessageKey } from "./zh";

export const en: Record<MessageKey, string> = { ...alert, ...desk, ...devices, ...diagnosis, ...figures, ...live, ...map, ...nodes, ...record, ...refusals, ...registers, ...screen, ...shell, ...retention, ...upkeep, ...words };
